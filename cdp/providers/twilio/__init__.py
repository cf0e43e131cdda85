"""Twilio: SMS and WhatsApp messages."""
