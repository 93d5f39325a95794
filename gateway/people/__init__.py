"""People: who proves who somebody is, what a token must be, how long a session lasts."""
