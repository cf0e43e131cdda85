"""Ids: their format and how they are generated.

Every id has a prefix for its type, then 26 characters of Crockford's base32, which encode 128 bits and avoid letters
that look alike.
"""

from __future__ import annotations

import os
import uuid
from datetime import datetime

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Every pair of digits by its ten bits: an id is read off two characters at a time.
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_PLACES = range(120, -1, -10)

_TIME_BITS, _RANDOM_BITS = 48, 80


def crockford(number: int) -> str:
    """A number of 128 bits as 26 characters of Crockford's base32."""
    return "".join([_PAIRS[number >> place & 1023] for place in _PLACES])


def random_id(prefix: str) -> str:
    """An unordered id: `prefix`, an underscore, 122 random bits."""
    return f"{prefix}_{crockford(uuid.uuid4().int)}"


def sortable_id(prefix: str, now: datetime) -> str:
    """An id that sorts by age (a ULID): `prefix`, an underscore, milliseconds since 1970, then 80 random bits."""
    milliseconds = int(now.timestamp() * 1_000) % (1 << _TIME_BITS)
    return f"{prefix}_{crockford(milliseconds << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8)))}"
