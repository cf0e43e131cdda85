"""Access tokens: the authorisation server."""
