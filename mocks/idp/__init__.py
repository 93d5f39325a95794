"""A small identity provider, as a program of its own: keys, tokens, rotation. Never imports gateway."""
