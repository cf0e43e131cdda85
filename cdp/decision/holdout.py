"""Holdouts: people who get nothing, so that it shows what messages are worth.

Who is held out follows from a hash of the person and the holdout's name, and is stored when it is first asked: a share
that changes later, or a merge, moves nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from cdp.decision.model import Holdout, Reason

_BUCKETS = 1_000_000


def is_drawn(name: str, profile_id: str, share: float) -> bool:
    """Whether a person who has not been asked for yet is held out."""
    drawn = int.from_bytes(hashlib.sha256(f"{name}\0{profile_id}".encode()).digest()[:8])
    return drawn % _BUCKETS < share * _BUCKETS


def assigned(holdouts: Sequence[Holdout], stored: Mapping[str, bool], profile_id: str) -> Mapping[str, bool]:
    """Whether the person is held out, by the name of each holdout."""
    return {
        one.name: stored[one.name] if one.name in stored else is_drawn(one.name, profile_id, one.share)
        for one in holdouts
    }


def holdout_gate(assignments: Mapping[str, bool]) -> Reason | None:
    """The verdict on a person; None if nobody is held out."""
    if not assignments:
        return None
    held_out = next((name for name, is_held_out in assignments.items() if is_held_out), None)
    if held_out:
        return Reason("holdout", None, "fail", "held_out", held_out)
    return Reason("holdout", None, "pass", "not_held_out")
