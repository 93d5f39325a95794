"""Pure: bytes in, hashes out. The trail that outsiders can check."""
