"""Ids: their format and how they are generated.

Every id has a prefix for its type, then 26 characters of Crockford's base32, which encode 128 bits and avoid letters
that look alike.
"""

from __future__ import annotations

import os
import uuid
from base64 import b32encode
from datetime import datetime

_TO_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_ID_CHARACTERS = 26
# The smallest number of bits that base32 encodes without padding and that fits an id.
_BASE32_BITS = 160


_TIME_BITS, _RANDOM_BITS = 48, 80


def crockford(number: int) -> str:
    """A number of 128 bits as 26 characters of Crockford's base32."""
    padded = (number << (_BASE32_BITS - 5 * _ID_CHARACTERS)).to_bytes(_BASE32_BITS // 8)
    return b32encode(padded)[:_ID_CHARACTERS].translate(_TO_CROCKFORD).decode()


def random_id(prefix: str) -> str:
    """An unordered id: `prefix`, an underscore, 122 random bits."""
    return f"{prefix}_{crockford(uuid.uuid4().int)}"


def sortable_id(prefix: str, now: datetime) -> str:
    """An id that sorts by age (a ULID): `prefix`, an underscore, milliseconds since 1970, then 80 random bits."""
    milliseconds = int(now.timestamp() * 1_000) % (1 << _TIME_BITS)
    return f"{prefix}_{crockford(milliseconds << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8)))}"
