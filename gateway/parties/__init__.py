"""Who may call: the banks' enrolled clients, their keys, and the outlets."""
