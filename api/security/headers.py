"""The headers that every response carries, whatever it answers, unless it says better."""

from __future__ import annotations

from collections.abc import Mapping

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}


def security_headers(public_url: str) -> Mapping[str, str]:
    """No keeping, no guessing of content types, no URL to other sites and, where clients come over TLS, nothing else
    ever.
    """
    return _ALWAYS | (_OVER_TLS if public_url.startswith("https://") else {})
