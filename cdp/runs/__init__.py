"""Runs: what each was, what came of it, and which one the store serves."""
