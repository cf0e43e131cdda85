"""Segment and RudderStack: calls of tracking SDKs."""
