"""The authorisation server: access tokens."""
