"""Mailgun: e-mail."""
