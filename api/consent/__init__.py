"""Consents: the ledger, and the pages that a link opens."""
