"""Access tokens (RFC 9068 JWTs) and what they allow (RFC 6750)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import OAuth2, SecurityScopes
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from api.context import Context, ContextOf
from api.errors import InsufficientScope, Unauthorised
from cdp.store import clients

ALGORITHM = "ES256"
LIFETIME = timedelta(hours=1)
_MEDIA_TYPES = ("at+jwt", "application/at+jwt")
_KNOWN_TOKENS = 1_024
_ESSENTIAL = ("sub", "client_id", "scope", "exp", "iat", "jti")


@dataclass(frozen=True)
class Caller:
    """The client that a token was given to, and the token's scopes."""

    client_id: str
    scopes: frozenset[str]
