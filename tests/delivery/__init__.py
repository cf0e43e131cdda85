"""Handing messages over to providers."""
