"""Doors. No decision is taken here."""
