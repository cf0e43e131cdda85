"""Metrics, segments and preferences, and the floors under them, each a process of its own for its memory's sake.

`python -m tests.benchmarks.segmenting make HOME PEOPLE EVENTS`, then `… floors HOME` and `… derive HOME`, which print
JSON: seconds by step. `CDP_THREADS` and `CDP_MEMORY_LIMIT` hold for both.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import yaml

from cdp import tables
from cdp.channels import MESSAGE_CHANNELS
from cdp.consent.known import SUPPRESSION_COLUMNS, KnownConsents
from cdp.decision.policy import load_policy
from cdp.metrics.catalogue import METRICS, Metric
from cdp.segments import load_catalogue
from cdp.settings import DATA, Settings
from cdp.warehouse import Warehouse, publish
from pipelines.preferences import prefer
from pipelines.profiles.metrics import write_metrics
from pipelines.segments.channel_states import write_channel_states
from pipelines.segments.memberships import segment
from pipelines.statements import statement
from tests.benchmarks.histories import AS_OF, make_histories
from tests.benchmarks.resolving import Seconds, clocked, working_copy

SEGMENTS = 50
ROUNDS = 3
AT = pl.Datetime("us", "UTC")

FAMILIES = """count(*) as event_count, min(occurred_at) as first_event_at, max(occurred_at) as last_event_at,
    max(occurred_at) filter (event_type = 'clicked') as last_click_at,
    count(*) filter (event_type = 'ordered') as order_count,
    sum(amount) filter (event_type = 'ordered') as order_value,
    max(occurred_at) filter (event_type = 'ordered') as last_order_at,
    count(*) filter (channel = 'email' and event_type = 'clicked') as email_clicked_count,
    count(*) filter (channel = 'sms' and event_type = 'clicked') as sms_clicked_count,
    count(*) filter (channel = 'push' and event_type = 'clicked') as push_clicked_count,
    count(*) filter (channel = 'whatsapp' and event_type = 'clicked') as whatsapp_clicked_count"""


def _plainly(metric: Metric) -> str:
    """A plain aggregate over events in a metric's stead, of the same window and channel."""
    recent = (
        f" and occurred_at > timestamptz '{AS_OF}' - interval {metric.window_days} days" if metric.window_days else ""
    )
    channel = next((word for word in MESSAGE_CHANNELS if metric.name.startswith(f"{word}_")), None)
    what = (
        f"channel = '{channel}' and event_type = '{metric.name.split('_')[1]}'" if channel else "event_type = 'ordered'"
    )
    aggregate = "sum(amount)" if "value" in metric.name else "max(occurred_at)" if "_at" in metric.name else "count(*)"
    return f"{aggregate} filter ({what}{recent}) as {metric.name}"


FLOORS = {
    "count(*)": "count(*) as event_count",
    "a plain aggregate a family": FAMILIES,
    "a plain aggregate a column": ", ".join(_plainly(metric) for metric in METRICS if metric.relation),
}


def make(home: Path, people: int, events: int) -> None:
    """Publish a warehouse of so many people and events."""
    with working_copy(home, empty=True) as (warehouse, scratch):
        make_histories(warehouse, people, events)
        publish(warehouse, scratch, Settings(home=home)).close()


def floors(home: Path) -> dict[str, Any]:
    """Seconds of each floor, the median of ROUNDS."""
    with _linked(home) as warehouse:
        taken: dict[str, list[float]] = {name: [] for name in FLOORS}
        for _ in range(ROUNDS):
            for name, aggregates in FLOORS.items():
                begun = time.monotonic()
                warehouse.run(
                    f"create or replace table floor as select profile_id, {aggregates} "
                    "from conformed.events join people using (observation_id) group by profile_id"
                )
                taken[name].append(time.monotonic() - begun)
        return {"seconds": {name: median(seconds) for name, seconds in taken.items()}}


def derive(home: Path) -> dict[str, Any]:
    """Seconds of metrics, channels, segments and preferences, as a run derives them."""
    catalogue = load_catalogue(_fifty(home / "segments.yaml"))
    as_of, policy = datetime.fromisoformat(AS_OF), load_policy(DATA / "policy.yaml")
    nothing = pl.DataFrame(schema=tables.SEGMENT_CHANGES.polars_schema())
    seconds = Seconds()
    with _linked(home) as warehouse:
        known = _known(warehouse)
        with clocked(seconds, "metrics"):
            write_metrics(warehouse, as_of)
        with clocked(seconds, "channels"):
            write_channel_states(warehouse, known, policy.consent, as_of)
        with clocked(seconds, "segments"):
            segment(warehouse, catalogue, nothing, as_of=as_of, run_id="run_20261101T000000_000000")
        with clocked(seconds, "preferences"):
            prefer(warehouse, as_of, policy.scores)
        return {
            "seconds": seconds,
            "events": warehouse.count(tables.EVENTS.full_name),
            "segments": len(catalogue.segments),
            "memberships": warehouse.count(tables.MEMBERSHIPS.full_name),
        }


def _known(warehouse: Warehouse) -> KnownConsents:
    """The consents of the histories, as a run finds them in the store."""
    points = warehouse.query(
        "select distinct md5(type || value) as contact_point_id, type, value from identity.identifiers "
        "semi join conformed.consents using (observation_id) where type = 'email'"
    )
    entries = warehouse.query(
        "select c.consent_id as entry_id, md5(i.type || i.value) as contact_point_id, "
        "i.type as contact_point_type, c.channel, c.topic, c.state, c.scope, c.occurred_at, "
        "c.occurred_at as recorded_at from conformed.consents c join identity.identifiers i using (observation_id) "
        "where i.type = 'email'"
    )
    nothing = dict.fromkeys(SUPPRESSION_COLUMNS[:3], pl.String()) | dict.fromkeys(SUPPRESSION_COLUMNS[3:], AT)
    return KnownConsents(entries, pl.DataFrame(schema=nothing), points)


@contextmanager
def _linked(home: Path) -> Iterator[Warehouse]:
    """A working copy in which people are linked, as a run leaves it to the metrics."""
    with working_copy(home) as (warehouse, _):
        warehouse.run(statement("link/people"), name="people")
        yield warehouse


def _fifty(path: Path) -> Path:
    """A catalogue of SEGMENTS: the shipped one, then its rules again under other names."""
    shipped = yaml.safe_load((DATA / "segments.yaml").read_text(encoding="utf-8"))
    entries = islice(enumerate(cycle(shipped["segments"])), SEGMENTS)
    named = [
        entry if number < len(shipped["segments"]) else entry | {"name": f"{entry['name']}_{number}"}
        for number, entry in entries
    ]
    path.write_text(yaml.safe_dump({**shipped, "segments": named}), encoding="utf-8")
    return path


if __name__ == "__main__":
    WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {"floors": floors, "derive": derive}
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        print(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
