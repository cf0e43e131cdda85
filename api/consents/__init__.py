"""Consents as callers write and read them, the links that unsubscribe, the preference page."""
