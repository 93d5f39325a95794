"""The bank-branch government gateway. Version only; nothing else lives here."""

__version__ = "0.1.0"
