"""The store remembers: the only room that imports sqlalchemy."""
