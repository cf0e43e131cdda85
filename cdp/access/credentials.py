"""Secrets that this service gives out: clients' secrets and write keys. Each is shown once and kept as a hash.

A secret is 256 random bits. Nobody guesses it, so its plain SHA-256 gives nothing away, and costs a microsecond.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

# What earlier versions kept of a client's secret. It cannot be checked any more.
_OUTDATED = "$argon2"


def new_secret(prefix: str) -> str:
    """A secret that begins with `prefix`, which tells people what it is for."""
    return f"{prefix}{secrets.token_urlsafe(32)}"


def hash_of(secret: str) -> str:
    """What is kept of a secret: 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def matches(secret: str, kept: str) -> bool:
    """Whether `kept` is the hash of the secret. The time that it takes says nothing about either."""
    return hmac.compare_digest(hash_of(secret), kept)


def is_outdated(kept: str) -> bool:
    """Whether an earlier version made this hash."""
    return kept.startswith(_OUTDATED)
