"""Segments: what may be done on each channel, and who is in which segment."""
