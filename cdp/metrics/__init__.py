"""Metrics: what is counted of a person (`catalogue.py`), and where somebody stands as a customer (`lifecycle.py`)."""
