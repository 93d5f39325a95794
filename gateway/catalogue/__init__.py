"""Government service items as data: read, checked, frozen; forms are validated by what they say."""
