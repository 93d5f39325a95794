"""Branch systems of banks: they build, sign, send and check as each bank's own client library does."""
