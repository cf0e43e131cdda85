"""Channel states: reachability, consent and suppression of each profile on each channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import polars as pl

from cdp import tables
from cdp.consent import ConsentRules, Effects
from cdp.consent.known import CONTACT_POINT_COLUMNS, KnownConsents, known_consents
from cdp.store import Store
from cdp.warehouse import Warehouse
from pipelines.segments.consents import unrecorded_effects
from pipelines.statements import statement

PURPOSE = "marketing"


def describe_channels(
    warehouse: Warehouse, store: Store, rules: ConsentRules, *, as_of: datetime, recorded_at: datetime
) -> None:
    """Write segments.channel_states as of a time.

    Includes the statements in this run's logs, as recorded at `recorded_at`: the publish writes them to the store.
    """
    with store.read() as connection:
        stored = known_consents(connection, PURPOSE)
    write_channel_states(warehouse, _with(stored, unrecorded_effects(warehouse, store), recorded_at), rules, as_of)


def write_channel_states(warehouse: Warehouse, known: KnownConsents, rules: ConsentRules, as_of: datetime) -> None:
    """Write segments.channel_states from known consents; reads the temporary tables `numbered` and `activity`."""
    warehouse.run(f"delete from {tables.CHANNEL_STATES.full_name}", name=tables.CHANNEL_STATES.full_name)
    with (
        warehouse.frame("consent_entries", known.entries),
        warehouse.frame("suppressing", known.suppressions),
        warehouse.frame("contact_points", known.contact_points),
        warehouse.frame("opt_out_reaches", _reaches(rules)),
    ):
        warehouse.run(statement("segments/channel_states"), {"as_of": as_of}, name=tables.CHANNEL_STATES.full_name)


def _with(stored: KnownConsents, found: Iterable[Effects], recorded_at: datetime) -> KnownConsents:
    entries, suppressions, points = [], [], []
    for effects in found:
        statements = (vars(one) | {"recorded_at": recorded_at} for one in effects.statements if one.purpose == PURPOSE)
        entries.append(_like(stored.entries, statements))
        suppressions.append(_like(stored.suppressions, map(vars, effects.suppressions)))
        suppressions.append(_like(stored.suppressions, map(vars, effects.lifts)))
        ids = (
            {"contact_point_id": point.id, "type": point.type, "value": point.value} for point in effects.contact_points
        )
        points.append(_like(stored.contact_points, ids))
    return KnownConsents(
        entries=pl.concat([stored.entries, *entries]).unique("entry_id", keep="first"),
        suppressions=pl.concat([stored.suppressions, *suppressions]),
        contact_points=pl.concat([stored.contact_points, *points]).unique(CONTACT_POINT_COLUMNS),
    )


def _like(frame: pl.DataFrame, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Rows with the schema of a frame: extra fields are dropped, missing ones are null."""
    return pl.DataFrame([[row.get(name) for name in frame.columns] for row in rows], schema=frame.schema, orient="row")


def _reaches(rules: ConsentRules) -> pl.DataFrame:
    """region, channel, further: the channels that an opt-out of a channel extends to. Region '' stands for all other
    regions. Each region also has a row without a channel, so that it is listed even if its opt-outs extend to
    nothing."""
    return pl.DataFrame(
        [*_rows("", rules.opt_out_reaches), *(row for one, of in rules.regions.items() for row in _rows(one, of))],
        schema={"region": pl.String, "channel": pl.String, "further": pl.String},
        orient="row",
    )


def _rows(region: str, reaches: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str | None, str | None]]:
    yield region, None, None
    yield from ((region, channel, further) for channel, all_further in reaches.items() for further in all_further)
