"""Decisions: whether, where and when to write to somebody."""
