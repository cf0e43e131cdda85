"""The batch path: files and inbox in, profiles out. `flow.py` lists the stages."""
