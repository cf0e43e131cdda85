"""Consent statements and failing addresses in the logs that the store does not have yet."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from cdp.consent import EFFECTS, Effects, effects_of
from cdp.consent.ledger import known_entry_ids, known_suppressing_ids
from cdp.store import Store
from cdp.warehouse import Warehouse
from pipelines.statements import statement

# The rows of one transaction; live writes wait until it ends.
ROWS_AT_A_TIME = 20_000


def unrecorded_effects(warehouse: Warehouse, store: Store) -> Iterator[Effects]:
    """The effects of consents and failing addresses in `warehouse` that the store does not have yet, in batches."""
    with store.read() as connection:
        entries, suppressing = known_entry_ids(connection), known_suppressing_ids(connection)
    with (
        warehouse.frame("known_entries", entries),
        warehouse.frame("known_suppressions", suppressing),
        warehouse.frame("effects", _effects()),
    ):
        warehouse.run(statement("segments/consent_rows"), name="consent_rows")
    for rows in _slices(warehouse):
        yield effects_of(rows.iter_rows(named=True))


def _effects() -> pl.DataFrame:
    names = ("event_type", "channel", "property", "word", "states", "suppresses", "lifts")
    rows = [
        (event_type, channel, *said, effect.states, effect.suppresses, effect.lifts)
        for effect in EFFECTS
        for event_type in effect.event_types
        for channel in effect.channels
        for said in (((None, None),) if effect.said is None else effect.said)
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")


def _slices(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    for start in range(0, warehouse.count("consent_rows"), ROWS_AT_A_TIME):
        yield warehouse.query(
            "select * from consent_rows where rowid between $1 and $2 order by rowid",
            [start, start + ROWS_AT_A_TIME - 1],
        )
