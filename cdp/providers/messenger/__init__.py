"""Messenger Platform (Meta): messages of a Facebook page."""
