"""Segments: channel states (reachability, consent, suppression), memberships, and entries and exits."""

from __future__ import annotations

from datetime import datetime

from cdp.consent import ConsentRules
from cdp.segments import Catalogue
from cdp.segments.history import known_segment_changes
from cdp.store import Store
from cdp.warehouse import Warehouse
from pipelines.segments.channel_states import describe_channels
from pipelines.segments.memberships import segment


def describe_segments(
    warehouse: Warehouse,
    store: Store,
    catalogue: Catalogue,
    rules: ConsentRules,
    *,
    as_of: datetime,
    started_at: datetime,
    run_id: str,
) -> int:
    """Write the tables of `segments` except channel preferences; returns the number of memberships.

    Args:
        started_at: the run's start; consent statements in the logs count as recorded at this time.
    """
    describe_channels(warehouse, store, rules, as_of=as_of, recorded_at=started_at)
    with store.read() as connection:
        history = known_segment_changes(connection).drop("seq")
    segment(warehouse, catalogue, history, as_of=as_of, run_id=run_id)
    return warehouse.count("segments.memberships")
