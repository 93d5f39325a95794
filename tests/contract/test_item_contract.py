"""Every item of the catalogue: what is not connected is closed and still judged; what is connected goes round."""

from __future__ import annotations

from tests.builders import read_catalogue

CATALOGUE = read_catalogue(with_sandbox=True)
CONNECTED = sorted(code for code, (item, *_) in CATALOGUE.items.items() if item.backend == "FT_SBX")
CLOSED = sorted(set(CATALOGUE.items) - set(CONNECTED))
