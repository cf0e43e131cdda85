"""Garbage collection in processes that run for long."""

from __future__ import annotations

import gc


def settle() -> None:
    """Exclude the objects loaded so far from garbage collection, which would stop all threads for 0.1 s.

    What comes after is mostly freed without it: a request or a message creates thousands of objects, few of them in
    reference cycles.
    """
    # What was created earlier, such as an application that only checked the configuration, can be collected.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
