"""Messages: send one, whatever the channel, and see what became of it."""
