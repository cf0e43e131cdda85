"""Access: who may call, and what with: clients, write keys, the keys that sign, and the log of calls."""
