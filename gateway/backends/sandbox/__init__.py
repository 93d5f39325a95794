"""The sandbox department: a real peer with magic values. Must not be known to anyone but the registry."""

from gateway.backends.sandbox.adapter import SandboxBackend as Backend

__all__ = ["Backend"]
