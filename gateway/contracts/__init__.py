"""What a peer must be. Types only; no peer is named here."""
