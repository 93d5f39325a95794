"""Persistence in trying: work rows are claimed, talked about, recorded."""
