"""Who may call, and what is kept of calls."""
