"""Vonage: SMS."""
