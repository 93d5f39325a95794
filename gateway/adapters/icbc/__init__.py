"""ICBC's house protocol (API open platform)."""
