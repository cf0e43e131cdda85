"""Decisions: whether, on which channel and when to send a message to a person."""
