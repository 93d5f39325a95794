"""The education bureau as a back-end. Must not be known to anyone but the registry."""

from gateway.backends.education.adapter import EducationBackend as Backend

__all__ = ["Backend"]
