"""The sandbox department: a real peer with magic values."""
