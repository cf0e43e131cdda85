"""Access: API clients, write keys, signing keys, and the request log."""
