"""The ledger of runs: start and as-of times, reports, and whether each was published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from cdp.runs.tables import runs
from cdp.store.prepared import Prepared

_UTC = pl.Datetime("us", "UTC")
_SCHEMA = pl.Schema(
    {
        "run_id": pl.String(),
        "as_of": _UTC,
        "started_at": _UTC,
        "published": pl.Boolean(),
        "report": pl.String(),
    }
)


@dataclass(frozen=True)
class PublishedRun:
    """The run whose results the store serves; times are UTC."""

    run_id: str
    as_of: datetime
    started_at: datetime


def record_run(
    connection: sa.Connection,
    run_id: str,
    as_of: datetime,
    started_at: datetime,
    published: bool,
    report: Mapping[str, Any],
) -> None:
    """Record a run, replacing an earlier record of it. `report` is the output of `cdp run --json`."""
    connection.execute(runs.delete().where(runs.c.run_id == run_id))
    connection.execute(
        runs.insert().values(
            run_id=run_id, as_of=as_of, started_at=started_at, published=published, report=json.dumps(report)
        )
    )


def recent_runs(connection: sa.Connection, limit: int) -> pl.DataFrame:
    """run_id, as_of, started_at (UTC), published, report (JSON text); newest first, at most `limit` rows."""
    newest = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
    rows = [tuple(row) for row in connection.execute(newest)]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


_LAST_PUBLISHED = Prepared(
    sa.select(runs.c.run_id, runs.c.as_of, runs.c.started_at)
    .where(runs.c.published)
    .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
    .limit(1)
)


def last_published_run(connection: sa.Connection) -> PublishedRun | None:
    """The newest published run, if there is one."""
    found = _LAST_PUBLISHED.rows(connection)
    return PublishedRun(*found[0]) if found else None


def published_run_ids(connection: sa.Connection) -> set[str]:
    """The ids of all published runs."""
    return set(connection.scalars(sa.select(runs.c.run_id).where(runs.c.published)))
