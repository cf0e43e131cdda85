"""Identity resolution: which observations are the same person, and why."""
