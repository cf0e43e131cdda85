"""Evaluation: the accuracy of what the stages derive, measured on the published warehouse."""
