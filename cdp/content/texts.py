"""Segments of text messages.

GSM 03.38: a message of its alphabet has 160 characters, or 153 in each of several segments; any other character makes
it UCS-2, with 70, or 67, UTF-16 code units. Characters of the extension table count twice, and neither they nor a
surrogate pair is cut in two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


class Segments(NamedTuple):
    """The encoding of a text, and the number of segments that it is sent and charged as."""

    encoding: Literal["GSM-7", "UCS-2"]
    number: int


def segments_of(text: str) -> Segments:
    """The segments of a text message; an empty one is still one."""
    if _BASIC.union(_EXTENSION).issuperset(text):
        return Segments("GSM-7", _count([2 if one in _EXTENSION else 1 for one in text], 160, 153))
    return Segments("UCS-2", _count([2 if ord(one) > 0xFFFF else 1 for one in text], 70, 67))


def _count(sizes: Iterable[int], alone: int, each: int) -> int:
    sizes = list(sizes)
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        if used + size > each:
            count, used = count + 1, 0
        used += size
    return count
