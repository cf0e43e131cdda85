"""Sending: from a wish to a message that came to its end."""
