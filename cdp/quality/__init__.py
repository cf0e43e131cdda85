"""The quality gate: contracts as checks (`gate.py`), and their verdicts as a page (`page.py`)."""
