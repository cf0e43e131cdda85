"""Segments: a rule runs and explains itself; who enters, who leaves."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from cdp import tables
from cdp.errors import ConfigurationError
from cdp.settings import DATA
from pipelines.profiles import build_profiles, measure
from pipelines.segments import FACTS, Catalogue, in_words, load_catalogue, memberships, segment
from tests.pipelines.people import event, observation, profile_id, warehouse_of
from tests.pipelines.runs import NOW

SHIPPED = load_catalogue(DATA / "segments.yaml")


def test_the_shipped_catalogue_has_its_ten_segments() -> None:
    assert [one.name for one in SHIPPED.segments] == [
        "new_customer", "repeat_customer", "big_spender", "at_risk_customer", "discount_driven", "cart_abandoned",
        "email_engaged", "sms_engaged_email_ignored", "dormant_subscriber", "unreachable",
    ]  # fmt: skip
    assert all(in_words(one.rule) for one in SHIPPED.segments)


def catalogue(**rules: Any) -> Catalogue:
    return Catalogue.model_validate(
        {"version": 1, "segments": [{"name": name, "title": name, "rule": rule} for name, rule in rules.items()]}
    )


def facts(*rows: dict[str, Any]) -> pl.LazyFrame:
    filled = [{"profile_id": f"p{number}", **row} for number, row in enumerate(rows)]
    return pl.LazyFrame([{name: row.get(name) for name in FACTS} for row in filled], schema=FACTS)


def matching(rule: Any, *rows: dict[str, Any]) -> list[bool]:
    """Which of the rows the rule holds of."""
    found = memberships(facts(*rows), catalogue(it=rule), NOW)["profile_id"].to_list()
    return [f"p{number}" in found for number in range(len(rows))]


def days(field: str, *ago: float | None) -> list[dict[str, datetime | None]]:
    return [{field: None if number is None else NOW - timedelta(days=number)} for number in ago]


COUNTS = [{"order_count": count} for count in (None, 0, 2, 3)]
CITIES = [{"city": city} for city in (None, "York", "Leeds")]


@pytest.mark.parametrize(
    ("rule", "rows", "holds", "words"),
    [
        ({"field": "order_count", "at_least": 2}, COUNTS, [0, 0, 1, 1], "order count is at least 2"),
        ({"field": "order_count", "at_most": 2}, COUNTS, [0, 1, 1, 0], "order count is at most 2"),
        ({"field": "order_count", "equals": 2}, COUNTS, [0, 0, 1, 0], "order count is 2"),
        ({"field": "city", "equals": "York"}, CITIES, [0, 1, 0], "city is York"),
        ({"field": "city", "one_of": ["York", "Bath"]}, CITIES, [0, 1, 0], "city is one of York, Bath"),
        ({"field": "city", "is_present": True}, CITIES, [0, 1, 1], "city is known"),
        ({"field": "city", "is_present": False}, CITIES, [1, 0, 0], "city is missing"),
        ({"field": "last_order_at", "within_days": 7}, days("last_order_at", None, 0, 6.9, 7, 8), [0, 1, 1, 0, 0],
         "last order at was in the last 7 days"),
        ({"field": "last_order_at", "not_within_days": 7}, days("last_order_at", None, 0, 6.9, 7, 8), [1, 0, 0, 1, 1],
         "last order at was not in the last 7 days"),
        ({"field": "email_reachable", "equals": True}, [{"email_reachable": flag} for flag in (None, True, False)],
         [0, 1, 0], "email reachable is true"),
        ({"all_of": [{"field": "order_count", "at_least": 2}, {"field": "order_count", "at_most": 2}]}, COUNTS,
         [0, 0, 1, 0], "order count is at least 2 and order count is at most 2"),
        ({"any_of": [{"field": "order_count", "equals": 0}, {"field": "order_count", "equals": 3}]}, COUNTS,
         [0, 1, 0, 1], "order count is 0 or order count is 3"),
        # What is not known fulfils no comparison, so none of them.
        ({"none_of": [{"field": "order_count", "equals": 0}, {"field": "order_count", "equals": 3}]}, COUNTS,
         [1, 0, 1, 0], "neither order count is 0 nor order count is 3"),
        ({"none_of": [{"any_of": [{"field": "city", "equals": "York"}, {"field": "city", "is_present": False}]}]},
         CITIES, [0, 0, 1], "not: (city is York or city is missing)"),
    ],
)  # fmt: skip
def test_a_rule_runs_and_explains_itself(
    rule: dict[str, Any], rows: list[dict[str, Any]], holds: list[int], words: str
) -> None:
    assert matching(rule, *rows) == [bool(flag) for flag in holds]
    assert in_words(catalogue(it=rule).segments[0].rule) == words


def segments_of(*entries: dict[str, Any]) -> str:
    return yaml.safe_dump({"version": 1, "segments": list(entries)})


def entry(rule: Any, name: str = "it") -> dict[str, Any]:
    return {"name": name, "title": "It", "rule": rule}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("segments: [", "not YAML"),
        ("", "valid"),
        ("version: 2\nsegments: []", "version"),
        (segments_of(entry({"field": "order_count", "at_least": 1}, name="Not a name")), "segments.0.name"),
        (segments_of(*[entry({"field": "order_count", "at_least": 1})] * 2), "two segments are named it"),
        (segments_of(entry({"field": "shoe_size", "at_least": 1})), "segment it: unknown field shoe_size"),
        (segments_of(entry({"all_of": []})), "segments.0.rule"),
        (segments_of(entry({"all_of": [{"field": "x", "at_least": 1}], "any_of": []})), "segments.0.rule"),
        (segments_of(entry({"field": "order_count"})), "exactly one comparison"),
        (segments_of(entry({"field": "order_count", "at_least": 1, "at_most": 2})), "exactly one comparison"),
        (segments_of(entry({"field": "city", "equals": None})), "exactly one comparison"),
        (segments_of(entry({"field": "last_order_at", "within_days": 0})), "within_days"),
        (segments_of(entry({"field": "city", "at_least": 1})), "city cannot be compared by at_least"),
        (segments_of(entry({"field": "city", "equals": 5})), "city cannot be compared by equals"),
        (segments_of(entry({"field": "order_count", "equals": "many"})), "order_count cannot be compared by equals"),
        (segments_of(entry({"field": "order_count", "one_of": [1, True]})), "order_count cannot be compared by one_of"),
        (segments_of(entry({"field": "order_count", "within_days": 3})), "order_count cannot be compared"),
        (segments_of(entry({"field": "last_order_at", "at_least": 3})), "last_order_at cannot be compared"),
        (segments_of(entry({"field": "email_reachable", "equals": "yes"})), "email_reachable cannot be compared"),
    ],
)
def test_a_wrong_catalogue_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "segments.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_catalogue(path)
    assert str(path) in caught.value.line()


def test_a_catalogue_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"version: 1 # \xe9\n")
    for name in ("missing.yaml", "latin.yaml"):
        with pytest.raises(ConfigurationError, match="cannot read"):
            load_catalogue(tmp_path / name)


def test_a_catalogue_without_segments_has_no_members() -> None:
    assert memberships(facts({"order_count": 1}), catalogue(), NOW).is_empty()


NOTHING = pl.DataFrame(schema=tables.SEGMENT_CHANGES.polars_schema())
BUYERS = catalogue(buyer={"field": "order_count", "at_least": 1}, known={"field": "email", "is_present": True})


def run_of(number: int, people: dict[str, bool], history: pl.DataFrame) -> tuple[dict[str, datetime], pl.DataFrame]:
    """Segment people (name: has bought) in the run of a day; who is a buyer since when, and all changes."""
    orders = [event(name, "web", "ordered", amount=1, currency="USD") for name, bought in people.items() if bought]
    warehouse = warehouse_of([observation(name, email=f"{name}@x.example") for name in people], orders)
    build_profiles(warehouse, ())
    measure(warehouse, NOW)
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
