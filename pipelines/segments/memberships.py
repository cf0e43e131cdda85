"""The segments of a run: members, entries and exits. The rules are evaluated in `cdp/segments/`."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cdp import tables
from cdp.segments import Catalogue, in_words, memberships
from cdp.segments.gathering import gather
from cdp.warehouse import Warehouse
from pipelines.statements import statement

_MEMBER = ["profile_id", "segment"]
_TIME = pl.Datetime("us", "UTC")


def segment(warehouse: Warehouse, catalogue: Catalogue, history: pl.DataFrame, *, as_of: datetime, run_id: str) -> None:
    """Write segments.catalogue, segments.memberships and segments.changes.

    Reads the temporary table `numbered`, the tables of `profiles` and segments.channel_states.

    Args:
        history: the changes of earlier runs: profile_id, segment, change, changed_at, run_id, oldest first.
    """
    now_in = members_of(warehouse, catalogue, as_of)
    entered_before = (
        history.group_by(_MEMBER, maintain_order=True)
        .last()
        .filter(pl.col("change") == "entered")
        .select(*_MEMBER, entered_at="changed_at")
    )
    current = now_in.join(entered_before, on=_MEMBER, how="left", maintain_order="left")
    entered = current.filter(pl.col("entered_at").is_null()).select(*_MEMBER, change=pl.lit("entered"))
    left = entered_before.join(now_in, on=_MEMBER, how="anti").select(*_MEMBER, change=pl.lit("left"))
    changes = pl.concat([entered, left]).with_columns(changed_at=pl.lit(as_of, _TIME), run_id=pl.lit(run_id))
    warehouse.replace_rows(tables.SEGMENT_CATALOGUE, _described(catalogue))
    warehouse.replace_rows(
        tables.MEMBERSHIPS, current.with_columns(pl.col("entered_at").fill_null(pl.lit(as_of, _TIME)))
    )
    warehouse.replace_rows(
        tables.SEGMENT_CHANGES, pl.concat([history.select(changes.columns), changes], how="vertical_relaxed")
    )


def members_of(warehouse: Warehouse, catalogue: Catalogue, as_of: datetime) -> pl.DataFrame:
    """profile_id, segment: the members. Writes no table; reads the temporary table `numbered`."""
    tell_events(warehouse, as_of)
    return memberships(gather(warehouse, catalogue, as_of).lazy(), catalogue, as_of)


def tell_events(warehouse: Warehouse, as_of: datetime) -> None:
    """Make the temporary view `told_events` of the events up to `as_of`."""
    # A view cannot have bound parameters.
    until = f"timestamptz '{as_of.isoformat()}'"
    warehouse.run(statement("segments/told_events").replace("$as_of", until), name="told_events")


def _described(catalogue: Catalogue) -> pl.DataFrame:
    rows = [
        (one.name, position, one.title, in_words(one.rule), one.rule.model_dump_json(exclude_unset=True))
        for position, one in enumerate(catalogue.segments)
    ]
    return pl.DataFrame(rows, schema=tables.SEGMENT_CATALOGUE.polars_schema(), orient="row")
