"""Consents: the ledger and the preference page."""
