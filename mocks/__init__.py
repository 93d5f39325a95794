"""Simulators of banks and departments, written from their documents alone.

Must not import the gateway: two witnesses who have not talked.
"""
