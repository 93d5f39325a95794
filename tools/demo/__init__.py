"""The demo: real signed traffic through the product's front doors, every outcome checked.

Must not import the gateway; ``python -m tools.demo [--stay]``.
"""
