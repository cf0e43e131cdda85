"""Postmark: e-mail."""
