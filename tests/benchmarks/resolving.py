"""The resolver and plain Splink over the same invented observations, each a process of its own for its memory's sake.

`python -m tests.benchmarks.resolving make HOME OBSERVATIONS`, then `… splink HOME` and `… resolve HOME`, which print
JSON: seconds by step, and what was found.

Plain Splink here: each observation is a record, described as the resolver describes a super-record
(`identity/sql/component_records.sql`), with the same comparisons, parameters, blocking keys, block limit and threshold.
Its blocking, `predict` and connected components are timed. Its preparation is the resolver's own and is not counted: a
user of Splink cleans names and tells junk from addresses, too.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from splink.backends.duckdb import DuckDBAPI
from splink.clustering import cluster_pairwise_predictions_at_threshold

from cdp.settings import Settings
from cdp.warehouse import Warehouse, open_working_copy, publish
from identity import values
from identity.blocking import block
from identity.linker import score
from identity.model import load_model
from identity.resolve import NOTHING_KNOWN, resolve
from identity.state import prepare
from identity.super_records import describe
from tests.benchmarks.population import make_people, see
from tests.identity.observations import PATTERNS, known_after

FIRST_RUN, SECOND_RUN = "run_20260101T000000_000000", "run_20260102T000000_000000"
NEW_SHARE = 0.01

Seconds = dict[str, float]


def make(home: Path, observations: int) -> None:
    """Publish a warehouse of so many observations; those that come in later wait in the table `later`."""
    with working_copy(home, empty=True) as (warehouse, scratch):
        new = round(observations * NEW_SHARE)
        make_people(warehouse, observations)
        see(warehouse, 0, observations, run_id=FIRST_RUN)
        see(warehouse, observations, observations + new, run_id=SECOND_RUN)
        of_second = "file_id in (select file_id from landing.files where run_id = $run_id)"
        parameters = {"run_id": SECOND_RUN}
        warehouse.run(f"create table later as from conformed.observations where {of_second}", parameters)
        warehouse.run(f"delete from conformed.observations where {of_second}", parameters)
        publish(warehouse, scratch, Settings(home=home)).close()


def plain_splink(home: Path) -> dict[str, object]:
    with working_copy(home) as (warehouse, _):
        model, seconds = load_model(), Seconds()
        with clocked(seconds, "preparation (not counted)"):
            prepare(warehouse, "plain Splink")
            values.judge(warehouse, PATTERNS)
            lone = warehouse.query("select observation_id from conformed.observations")
            describe(warehouse, lone.with_columns(component_id="observation_id"))
            warehouse.run("create temp table changed_records as select unique_id from component_records")
        with clocked(seconds, "block"):
            block(warehouse)
        with clocked(seconds, "predict"):
            score(warehouse, "component_records", model, threshold=model.threshold)
        with clocked(seconds, "cluster"):
            api = DuckDBAPI(connection=warehouse.connection)
            clusters = cluster_pairwise_predictions_at_threshold(
                api.register("component_records"),
                api.register("scored_pairs"),
                api,
                node_id_column_name="unique_id",
                threshold_match_probability=model.threshold,
            )
        found = warehouse.scalar(f"select count(distinct cluster_id) from {clusters.physical_name}")
        return {"seconds": seconds, "clusters": found, "pairs": warehouse.count("candidate_pairs")}


def resolver(home: Path) -> dict[str, object]:
    with working_copy(home) as (warehouse, _):
        model, seconds = load_model(), Seconds()
        with clocked(seconds, "full"):
            resolve(warehouse, NOTHING_KNOWN, model, PATTERNS, run_id=FIRST_RUN)
        known = known_after(warehouse)
        warehouse.run("insert into conformed.observations by name from later")
        with clocked(seconds, "incremental"):
            after = resolve(warehouse, known, model, PATTERNS, run_id=SECOND_RUN)
        return {"seconds": seconds, "clusters": after.profiles}


@contextmanager
def working_copy(home: Path, *, empty: bool = False) -> Iterator[tuple[Warehouse, Path]]:
    """As a run has it: a copy of the published warehouse, in a folder that goes with it."""
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        warehouse = open_working_copy(Settings(home=home), Path(folder), empty=empty)
        try:
            yield warehouse, Path(folder)
        finally:
            warehouse.close()


@contextmanager
def clocked(seconds: Seconds, step: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[step] = time.monotonic() - begun


if __name__ == "__main__":
    WAYS: dict[str, Callable[[Path], dict[str, object]]] = {"splink": plain_splink, "resolve": resolver}
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
