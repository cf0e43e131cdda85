"""Segments over runs: who enters, who leaves, and that re-runs, late events and rebuilds change nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from cdp import tables
from cdp.errors import ConfigurationError
from cdp.segments.history import known_segment_changes
from cdp.settings import Settings
from cdp.store import open_store
from cdp.warehouse import published_path
from pipelines import flow
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from pipelines.segments.memberships import members_of, segment
from tests.cdp.segments.people import catalogue_of
from tests.pipelines.people import event, observation, profile_id, warehouse_of
from tests.pipelines.runs import NOW, published, run, sendgrid, settings_in, write_lines

pytestmark = pytest.mark.slow

NOTHING = pl.DataFrame(schema=tables.SEGMENT_CHANGES.polars_schema())
BUYERS = catalogue_of(buyer={"field": "order_count", "at_least": 1}, known={"field": "email", "is_present": True})


def run_of(number: int, people: dict[str, bool], history: pl.DataFrame) -> tuple[dict[str, datetime], pl.DataFrame]:
    """Segment people (name: has bought) in the run of a day; who is a buyer since when, and all changes."""
    orders = [event(name, "web", "ordered", amount=1, currency="USD") for name, bought in people.items() if bought]
    warehouse = warehouse_of([observation(name, email=f"{name}@x.example") for name in people], orders)
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    segment(warehouse, BUYERS, history, as_of=day(number), run_id=f"run_20261120T12000{number}_000000")
    members = warehouse.query("select profile_id, entered_at from segments.memberships where segment = 'buyer'")
    return dict(members.rows()), warehouse.query("select * from segments.changes")


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


def test_who_enters_leaves_and_comes_back() -> None:
    ann, ben = profile_id("ann"), profile_id("ben")
    members, changes = run_of(1, {"ann": True, "ben": False}, NOTHING)
    assert members == {ann: day(1)}
    members, changes = run_of(2, {"ann": True, "ben": True}, changes)
    assert members == {ann: day(1), ben: day(2)}
    members, changes = run_of(3, {"ann": False, "ben": True}, changes)
    assert members == {ben: day(2)}
    members, changes = run_of(4, {"ann": True, "ben": True}, changes)
    assert members == {ann: day(4), ben: day(2)}
    # Merged into Ann: Ben's id is gone, and leaves what it was in.
    members, changes = run_of(5, {"ann": True}, changes)
    assert members == {ann: day(4)}
    buyers = changes.filter(pl.col("segment") == "buyer")
    assert buyers.select("profile_id", "change", "changed_at").rows() == [
        (ann, "entered", day(1)),
        (ben, "entered", day(2)),
        (ann, "left", day(3)),
        (ann, "entered", day(4)),
        (ben, "left", day(5)),
    ]
    assert run_of(6, {"ann": True}, changes)[1].equals(changes)


CATALOGUE = """\
version: 1
segments:
  - name: clicker
    title: Clicked lately
    rule: {event: clicked, within_days: 3}
  - name: ignorer
    title: Opened, then did not click
    rule: {sequence: {first: {event: opened}, then_not: {event: clicked}, within_days: 2}}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # The quality gate takes most of a small run's time.
    monkeypatch.setattr(flow, "_gate", lambda *_: 0)
    (tmp_path / "segments.yaml").write_text(CATALOGUE)
    return settings_in(tmp_path, segments=tmp_path / "segments.yaml")


def mail(folder: Path, name: str, kind: str, on: int) -> Path:
    """A log with one e-mail event of Ann's on a day."""
    return write_lines(folder / f"sendgrid-{name}.jsonl", [sendgrid(kind, at=day(on), key=f"{name}")])


def changes_of(settings: Settings, segment_name: str) -> list[tuple[str, datetime]]:
    """What changed, in the order in which the store has it; the warehouse holds the same."""
    store = open_store(settings.effective_store_url)
    with store.read() as connection:
        known = known_segment_changes(connection).drop("seq").filter(pl.col("segment") == segment_name)
    store.close()
    copied = published(settings, f"select * from segments.changes where segment = '{segment_name}'")
    assert sorted(copied) == sorted(known.rows())
    return known.select("change", "changed_at").rows()


def run_as_of(settings: Settings, on: int, *inputs: Path, full: bool = False) -> None:
    run(settings, *inputs, now=day(100), as_of=day(on), full=full)


@pytest.mark.long
def test_entered_once_left_once_whatever_is_repeated_or_rebuilt(settings: Settings, tmp_path: Path) -> None:
    once = [("entered", day(1)), ("left", day(5))]
    run_as_of(settings, 1, mail(tmp_path, "a", "click", on=0))
    for repeat in range(2):
        run_as_of(settings, 1, full=bool(repeat))
        assert changes_of(settings, "clicker") == once[:1]
    run_as_of(settings, 2)
    assert changes_of(settings, "clicker") == once[:1]
    run_as_of(settings, 5)
    for repeat in range(2):
        run_as_of(settings, 5, full=bool(repeat))
        assert changes_of(settings, "clicker") == once
    assert published(settings, "select segment from segments.memberships") == []


@pytest.mark.long
def test_a_late_event_counts_from_the_run_that_hears_of_it(settings: Settings, tmp_path: Path) -> None:
    run_as_of(settings, 5, mail(tmp_path, "open", "open", on=1))
    assert changes_of(settings, "clicker") == []
    assert changes_of(settings, "ignorer") == [("entered", day(5))]
    # It happened on the second day, and becomes known on the fifth.
    run_as_of(settings, 5, mail(tmp_path, "late", "click", on=2))
    assert changes_of(settings, "clicker") == []
    assert changes_of(settings, "ignorer") == [("entered", day(5)), ("left", day(5))]
    run_as_of(settings, 5, mail(tmp_path, "less-late", "click", on=4))
    run_as_of(settings, 8, full=True)
    assert changes_of(settings, "clicker") == [("entered", day(5)), ("left", day(8))]
    assert changes_of(settings, "ignorer") == [("entered", day(5)), ("left", day(5))]


def test_a_rebuild_without_a_warehouse_knows_since_when(settings: Settings, tmp_path: Path) -> None:
    run_as_of(settings, 1, mail(tmp_path, "a", "click", on=0))
    run_as_of(settings, 2)
    published_path(settings.home).unlink()
    run_as_of(settings, 2, full=True)
    ((since,),) = published(settings, "select entered_at from segments.memberships")
    assert since.astimezone(UTC) == day(1)


def test_a_segment_that_is_dropped_is_left_and_the_catalogue_is_that_of_the_run(
    settings: Settings, tmp_path: Path
) -> None:
    run_as_of(settings, 1, mail(tmp_path, "a", "click", on=0))
    words = published(settings, "select segment, title, words from segments.catalogue order by position")
    assert words[0] == ("clicker", "Clicked lately", "clicked in the last 3 days")
    settings.segments.write_text("version: 1\nsegments: []\n")
    run_as_of(settings, 2)
    assert changes_of(settings, "clicker") == [("entered", day(1)), ("left", day(2))]
    assert published(settings, "select * from segments.catalogue") == []


def test_a_wrong_catalogue_stops_the_run_before_anything(settings: Settings, tmp_path: Path) -> None:
    run_as_of(settings, 1, mail(tmp_path, "a", "click", on=0))
    settings.segments.write_text(CATALOGUE.replace("within_days: 3", "within_days: 0"))
    with pytest.raises(ConfigurationError, match=r"segments.yaml:5: segment clicker: rule.within_days"):
        run_as_of(settings, 9)
    assert len(published(settings, "select * from segments.catalogue")) == 2


def test_an_order_that_shop_and_web_report_is_one_event() -> None:
    orders = [
        event("ann", "web", "ordered", source=source, properties={"order_id": "o1"})
        for source in ("shopify", "segment")
    ]
    warehouse = warehouse_of([observation("ann"), observation("ben")], [*orders, event("ben", "store", "ordered")])
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    rules = catalogue_of(once={"event": "ordered"}, twice={"event": "ordered", "count": {"at_least": 2}})
    assert set(members_of(warehouse, rules, NOW).rows()) == {(profile_id("ann"), "once"), (profile_id("ben"), "once")}


def test_amounts_are_summed_in_the_main_currency() -> None:
    orders = [
        event("ann", "web", "ordered", amount=amount, currency="CHF") for amount in (Decimal("0.10"), Decimal("0.20"))
    ]
    orders.append(event("ann", "web", "ordered", amount=Decimal("99.00"), currency="USD"))
    warehouse = warehouse_of([observation("ann")], orders)
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    sums = {name: {"event": "ordered", "sum": {name: 0.3}} for name in ("at_least", "at_most")}
    assert [name for _, name in members_of(warehouse, catalogue_of(**sums), NOW).rows()] == ["at_least", "at_most"]
