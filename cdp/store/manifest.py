"""What the columns of tables hold of people: the vocabulary of the domains' manifests.

Each domain has a `manifest.py` beside its `tables.py`, with a line for every column: who answers what is known of a
person, or erases it, reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# identifies: an address or another identifier. describes: says something of a person. refers: an id of ours that leads
# to a person. none: says nothing of anybody.
Kind = Literal["identifies", "describes", "refers", "none"]
# What becomes of a person's rows when they are erased. keep: nothing of theirs is in them.
Action = Literal["delete", "keep"]


@dataclass(frozen=True)
class Lines:
    """A table in the manifest.

    columns: what each column holds.
    path: the column that leads to the person, directly (`profile_id`) or by another table
        (`message_id -> messages.profile_id`); None if no row is about a person.
    """

    action: Action
    columns: Mapping[str, Kind]
    path: str | None = None


Manifest = Mapping[str, Lines]


def columns(**kinds: str) -> Mapping[str, Kind]:
    """The kinds of columns, given as the names of each kind, separated by spaces."""
    return {name: kind for kind, names in kinds.items() for name in names.split()}  # type: ignore[misc]
