"""What things are. Standard library only; nothing here remembers, sends or signs."""
