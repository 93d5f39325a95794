"""How bytes travel. Knows no peer."""
