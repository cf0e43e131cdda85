"""Metrics of a person (`catalogue.py`), and the stages of a customer's lifecycle (`lifecycle.py`)."""
