"""Twilio SendGrid: e-mail."""
