"""Tooling of the workshop: set-up, checks, test runs, PostgreSQL. Never shipped, never imported by the gateway."""
