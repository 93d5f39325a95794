"""A fault campaign: many cases, faulty peers, processes killed and frozen, and then the truth (docs/faults.md)."""
