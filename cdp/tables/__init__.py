"""The warehouse's contracts, a file for each schema, in the order in which data flows."""

from __future__ import annotations

from cdp.contract import Table
from cdp.tables.conformed import CONSENTS, DUPLICATES, EVENTS, OBSERVATIONS, PERSON_COLUMNS
from cdp.tables.identity import (
    ALIASES,
    EDGES,
    GREY_PAIRS,
    IDENTIFIER_VALUES,
    IDENTIFIERS,
    MEMBERS,
    OVERSIZED_BLOCKS,
    PROFILE_CHANGES,
    REFUSALS,
)
from cdp.tables.landing import FILES, MAX_REJECT_SHARE, MIN_REJECTS_TO_JUDGE, REJECTS
from cdp.tables.profiles import METRICS, PROFILES, TRAITS
from cdp.tables.quality import QUALITY_RESULTS
from cdp.tables.runs import RUNS, STAGE_ROWS
from cdp.tables.segments import CHANNEL_PREFERENCES, CHANNEL_STATES, MEMBERSHIPS, SEGMENT_CATALOGUE, SEGMENT_CHANGES

__all__ = [
    "ALIASES",
    "CHANNEL_PREFERENCES",
    "CHANNEL_STATES",
    "CONSENTS",
    "DUPLICATES",
    "EDGES",
    "EVENTS",
    "FILES",
    "GATED",
    "GREY_PAIRS",
    "IDENTIFIERS",
    "IDENTIFIER_VALUES",
    "MAX_REJECT_SHARE",
    "MEMBERS",
    "MEMBERSHIPS",
    "METRICS",
    "MIN_REJECTS_TO_JUDGE",
    "OBSERVATIONS",
    "OVERSIZED_BLOCKS",
    "PERSON_COLUMNS",
    "PROFILES",
    "PROFILE_CHANGES",
    "QUALITY_RESULTS",
    "REFUSALS",
    "REJECTS",
    "RUNS",
    "SEGMENT_CATALOGUE",
    "SEGMENT_CHANGES",
    "STAGE_ROWS",
    "TABLES",
    "TRAITS",
    "reference_page",
]

TABLES: tuple[Table, ...] = (
    *(FILES, REJECTS),
    *(EVENTS, OBSERVATIONS, CONSENTS, DUPLICATES),
    *(IDENTIFIERS, IDENTIFIER_VALUES, EDGES, GREY_PAIRS, OVERSIZED_BLOCKS),
    *(MEMBERS, REFUSALS, PROFILE_CHANGES, ALIASES),
    *(PROFILES, TRAITS, METRICS),
    *(SEGMENT_CATALOGUE, CHANNEL_STATES, MEMBERSHIPS, SEGMENT_CHANGES, CHANNEL_PREFERENCES),
    *(RUNS, STAGE_ROWS, QUALITY_RESULTS),
)

# Checked before a publish; the run's own bookkeeping is written after the verdict.
GATED: tuple[Table, ...] = tuple(table for table in TABLES if table.schema not in ("runs", "quality"))


def reference_page() -> str:
    """All tables in Markdown, as `cdp/tables/reference.md` holds it."""
    head = "# The warehouse's tables\n\nMade by `make docs` from the contracts in `cdp/tables/`.\n\n"
    return head + "\n".join(table.describe() for table in TABLES)
