"""Keys, algorithms and canonical bytes: the only room that imports cryptography. Knows no peer."""
