"""ICBC's house protocol (API open platform)."""

from gateway.adapters.icbc.adapter import IcbcBank as Bank

__all__ = ["Bank"]
