"""People: who is meant by an identifier, what a run has published of them, and what has come in live since."""
