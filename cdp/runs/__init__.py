"""Runs: what a run of the pipeline says of itself."""
