"""Runs: their records and reports, and the run whose results the store serves."""
