"""Decisions, from a request to what was logged and is answered."""
