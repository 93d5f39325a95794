"""Acts: what one person proposes, another approves, and the house then does exactly once (rules.md 30)."""
