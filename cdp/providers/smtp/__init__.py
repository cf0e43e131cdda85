"""SMTP: e-mail by any mail server."""
