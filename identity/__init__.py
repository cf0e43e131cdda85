"""Identity resolution: which observations describe the same person, and why."""
