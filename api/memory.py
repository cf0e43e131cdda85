"""Returning memory to the system: the C library keeps what large requests needed, for the next one."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _trimmer() -> Callable[[int], int]:
    """glibc's `malloc_trim`; elsewhere, nothing."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda _kept: 0
    return trim


_trim = _trimmer()


def release_memory() -> None:
    """Return the free memory of the C library to the system. This takes some milliseconds."""
    _trim(0)
