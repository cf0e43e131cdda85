"""Conforming: each line has one outcome, and the same lines always the same one."""

from __future__ import annotations

import itertools
import json
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.warehouse import Warehouse
from tests.pipelines.runs import (
    NOW,
    conform_files,
    land_file,
    new_warehouse,
    sendgrid,
    write_contacts,
    write_lines,
)

pytestmark = pytest.mark.slow


def conformed(folder: Path, *records: Any, name: str = "sendgrid.jsonl") -> tuple[Warehouse, dict[str, int]]:
    """What one file of JSON lines becomes: the warehouse, and lines by outcome."""
    warehouse = new_warehouse()
    file = land_file(warehouse, write_lines(folder / name, records), folder / "landing")
    tally = conform_files(warehouse, [file])
    return warehouse, dict(tally.select("outcome", "lines").rows())


SEGMENT = {"type": "track", "event": "e", "messageId": "m1", "userId": "u1", "timestamp": "2026-11-01T00:00:00Z"}


def reasons(warehouse: Warehouse) -> list[tuple[int, str]]:
    return warehouse.query("select line_number, reason from landing.rejects order by all").rows()


def test_outcomes_of_lines(tmp_path: Path) -> None:
    opened = sendgrid("open")
    warehouse, tally = conformed(
        tmp_path,
        opened,
        opened,
        "not json",
        sendgrid("click", None),
        sendgrid("click", "not an address"),
        sendgrid("open", at=NOW + timedelta(days=2)),
        sendgrid("open", timestamp=5),
        {"timestamp": 1},
        sendgrid("unsubscribe"),
    )
    assert tally == {"event": 2, "duplicate": 1, "reject": 6}
    assert reasons(warehouse) == [
        (3, "broken_json"), (4, "no_identifier"), (5, "no_identifier"), (6, "time_in_future"), (7, "bad_time"),
        (8, "unknown_event"),
    ]  # fmt: skip
    assert warehouse.query("select line_number from conformed.duplicates").rows() == [(2,)]
    assert warehouse.query("select channel, state from conformed.consents").rows() == [("email", "withdrawn")]
    assert warehouse.query("select row_count, reject_count from landing.files").rows() == [(9, 6)]


def viewed(key: str, **properties: Any) -> dict[str, Any]:
    call = {"type": "track", "event": "Product Viewed", "userId": "u", "timestamp": "2026-11-01T00:00:00Z"}
    return {**call, "messageId": key, "properties": {"product_id": "5", **properties}}


CLAIM = {"receivedBy": {"name": "key", "isClaim": True}}
TELLING = {"sku": "G-5", "name": "Mug", "url": "https://x.example/mug", "price": "9.50", "currency": "eur"}
NO_PAGES = (
    *("javascript:alert(1)", "/p/5", "ftp://x.example/", "https://", 'https://x.example/"onload="x'),
    *("https://x.example/?to=ann@shop.example", "https://x.example/?to=ann%40shop.example"),
    "https://x.example/" + "p" * 500,
)
PRODUCTS: tuple[tuple[dict[str, Any], dict[str, Any] | None], ...] = (
    # a call about a product, what is kept of it; values that are not listed are not known
    (viewed("a", **TELLING), {**TELLING, "product_id": "5", "price": Decimal("9.50"), "currency": "EUR"}),
    (viewed("n", products=[{"product_id": "6"}, 5, None, {"name": "Mug"}]), {"product_id": "6"}),
    (viewed("p", product_id=None, productId="6"), {"product_id": "6"}),
    (viewed("m", currency="USD", products=[{"product_id": "6"}]), {"product_id": "6", "currency": "USD"}),
    (viewed("b", product_id=None, sku="G-5"), {"product_id": "G-5", "sku": "G-5"}),
    (viewed("c", product_id=" ", name="Mug"), None),
    (viewed("d", name="  Mug\0 ", quantity=2.5), {"product_id": "5", "name": "Mug", "quantity": 2.5}),
    (viewed("e", name="x" * 201, price="-1", currency="euro", quantity="many"), {"product_id": "5"}),
    *((viewed(f"f{number}", url=url), {"product_id": "5"}) for number, url in enumerate(NO_PAGES)),
    # Anybody may have a write key: it tells which product it is about, and nothing that a message could show.
    ({**viewed("g", quantity=2, **TELLING), **CLAIM},
     {"product_id": "5", "sku": "G-5", "quantity": 2.0}),
)  # fmt: skip


@pytest.mark.parametrize(("call", "kept"), PRODUCTS)
def test_what_is_kept_of_a_product(tmp_path: Path, call: dict[str, Any], kept: dict[str, Any] | None) -> None:
    warehouse, _ = conformed(tmp_path, call, call, name="segment.jsonl")
    rows = warehouse.query("select * exclude (event_id) from conformed.event_products").to_dicts()
    known = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert known == ([{"position": 1, **kept}] if kept else [])


ODD_LINES = (
    "5",
    '"x"',
    "null",
    "true",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "[1, 2]",
    '{"a": {"b": []}}',
    "[" * 200 + "]" * 200,
)


@pytest.mark.parametrize("source", ["sendgrid", "twilio", "segment", "fcm", "whatsapp", "shopify"])
def test_json_that_is_no_record_is_refused_line_by_line(tmp_path: Path, source: str) -> None:
    wrapped = ('{"batch": []}', '{"messages": []}', '{"orders": []}', '{"batch": 5}')
    _, tally = conformed(tmp_path, *ODD_LINES, *wrapped, name=f"{source}.jsonl")
    assert tally == {"reject": len(ODD_LINES) + len(wrapped)}


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "good", "deep", "list_of"),
    [
        ("sendgrid.jsonl", sendgrid("open"), sendgrid("click"), "[{}]"),
        ("segment.jsonl", SEGMENT, {**SEGMENT, "messageId": "deep"}, '{{"batch": [{}]}}'),
        ("rudder.jsonl", SEGMENT, {**SEGMENT, "messageId": "deep", "type": "identify"}, '{{"batch": [{}]}}'),
    ],
)
@pytest.mark.parametrize("field", ["nested", "properties", "traits"])
def test_a_record_that_is_too_deep_is_refused_alone(
    tmp_path: Path, name: str, good: Any, deep: Any, list_of: str, field: str
) -> None:
    """Parsers overflow their stack: a line of a log would end the run, and all that comes after it."""
    text = json.dumps({**deep, field: {"in": "here"}}).replace('"here"', DEEP)
    several = list_of.format(f"{json.dumps(good)}, {text}")
    warehouse, tally = conformed(tmp_path, text, several, name=name)
    assert tally == {"reject": 2}
    assert warehouse.count("conformed.events") == 1
    assert warehouse.query("select line_number, reason, detail from landing.rejects order by all").rows() == [
        (number, "too_deep", "nested more than 100 levels deep") for number in (1, 2)
    ]


@pytest.mark.parametrize(
    ("name", "deep"),
    [("mails.json", DEEP), ("sendgrid.json", 2 * "[" + DEEP + ", " + DEEP + 2 * "]")],
    ids=["known by its keys", "longer than what is looked at to know it"],
)
def test_a_document_may_begin_with_a_record_that_is_too_deep(tmp_path: Path, name: str, deep: str) -> None:
    (tmp_path / name).write_text(json.dumps([{"first": "here"}, sendgrid("open")]).replace('"here"', deep))
    warehouse = new_warehouse()
    conform_files(warehouse, [land_file(warehouse, tmp_path / name, tmp_path / "landing")])
    assert reasons(warehouse) == [(1, "too_deep")]
    assert warehouse.query("select line_number from conformed.events").rows() == [(2,)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("sendgrid.jsonl", [sendgrid("open", key="1"), sendgrid("click", key="2")]),
        ("segment.jsonl", {"batch": [
            {"type": "track", "event": "Product Viewed", "messageId": key, "userId": "u1",
             "timestamp": "2026-11-01T00:00:00Z"} for key in "ab"
        ]}),
        ("twilio.jsonl", {"messages": [
            {"sid": f"SM{key}", "account_sid": "AC", "direction": "outbound-api", "num_segments": "1",
             "status": "delivered", "from": "+12025550100", "to": "+12025550101",
             "date_sent": "Sun, 01 Nov 2026 00:00:00 +0000"} for key in "ab"
        ]}),
    ],
)  # fmt: skip
def test_a_line_that_holds_or_wraps_a_list_is_several_items(tmp_path: Path, name: str, line: Any) -> None:
    warehouse, tally = conformed(tmp_path, line, name=name)
    assert tally == {"event": 1}
    assert warehouse.query("select line_number from conformed.events").rows() == [(1,), (1,)]


EVENTS = [
    sendgrid(kind, who, key=f"{kind}{who}") for kind in ("open", "click") for who in ("a@b.example", "c@d.example")
]
NO_EVENTS = ["", " ", "{", "5", *map(json.dumps, (sendgrid("open", None), {"event": "new", "email": "x@y.example"}))]
LINES = st.one_of(
    st.sampled_from(EVENTS).map(json.dumps),
    st.lists(st.sampled_from(EVENTS), max_size=3).map(json.dumps),
    st.sampled_from(NO_EVENTS),
)


@settings(max_examples=15, deadline=None)
@given(files=st.lists(st.lists(LINES, max_size=8), min_size=1, max_size=3))
def test_every_line_has_one_outcome_and_every_event_one_row(files: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = new_warehouse()
        landed = [
            land_file(
                warehouse,
                write_lines(Path(folder) / f"sendgrid-{number}.jsonl", [{"file": number}, *lines]),
                Path(folder) / "landing",
            )
            for number, lines in enumerate(files)
        ]
        tally = conform_files(warehouse, landed)
    total = warehouse.scalar("select sum(row_count) from landing.files")
    assert tally["lines"].sum() == total == len(files) + sum(bool(line.strip()) for lines in files for line in lines)
    wanted = {item["sg_event_id"] for lines in files for line in lines for item in _items(line)}
    assert warehouse.count("conformed.events") == len(wanted)


def _items(line: str) -> list[Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return []
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict) and item.get("email") and item.get("timestamp")]


TWICE = sendgrid("open", key="twice")
FILES = [
    [TWICE, sendgrid("click", key="1")],
    [sendgrid("click", key="2"), TWICE, TWICE],
    [{**TWICE, "email": "other@shop.example"}],
]


def test_the_order_of_files_makes_no_difference(tmp_path: Path) -> None:
    found = set()
    for order in itertools.permutations(range(3)):
        warehouse = new_warehouse()
        landed = [
            land_file(warehouse, write_lines(tmp_path / f"sendgrid-{n}.jsonl", FILES[n]), tmp_path / "landing")
            for n in order
        ]
        conform_files(warehouse, landed)
        tables = ("conformed.events", "conformed.observations", "conformed.duplicates", "conformed.consents")
        found.add(repr([sorted(map(repr, warehouse.query(f"select * from {table}").rows())) for table in tables]))
        assert warehouse.count("conformed.events") == 3
    assert len(found) == 1


def test_an_event_that_comes_again_in_a_later_run_is_a_duplicate(tmp_path: Path) -> None:
    warehouse = new_warehouse()
    paths = [write_lines(tmp_path / f"sendgrid-{n}.jsonl", FILES[n]) for n in range(3)]
    landed = [
        land_file(warehouse, path, tmp_path / "landing", at=NOW + timedelta(hours=n)) for n, path in enumerate(paths)
    ]
    for file in landed:
        conform_files(warehouse, [file])
    at_once = new_warehouse()
    conform_files(at_once, landed)
    for table in ("conformed.events", "conformed.observations", "conformed.duplicates", "landing.rejects"):
        assert sorted(map(repr, warehouse.query(f"select * from {table}").rows())) == sorted(
            map(repr, at_once.query(f"select * from {table}").rows())
        )
    assert warehouse.count("conformed.duplicates") == 3


def test_observations_are_the_distinct_descriptions(tmp_path: Path) -> None:
    emails = ("A@Shop.example ", "a@shop.example", "b@shop.example")
    at = [NOW - timedelta(days=day) for day in (9, 2, 5)]
    warehouse, _ = conformed(
        tmp_path, *(sendgrid("open", email, at=moment) for email, moment in zip(emails, at, strict=True))
    )
    assert warehouse.query(
        "select email, event_count, first_seen_at, last_seen_at, line_number from conformed.observations order by email"
    ).rows() == [("a@shop.example", 2, at[0], at[1], 1), ("b@shop.example", 1, at[2], at[2], 3)]


MAPPING = """\
source: pos
kind: events
files: "*.jsonl"
columns: {event_key: id, occurred_at: at, amount: amount, currency: currency, email: email, customer_id: customer,
    timezone: zone, city: city, country: country, date_of_birth: born, language: lang, external_ids: ids}
constants: {event_type: ordered, channel: store}
"""


def sold(folder: Path, rows: list[dict[str, Any]]) -> Warehouse:
    """What rows of a till become; a row's number is its line."""
    (folder / "pos.mapping.yaml").write_text(MAPPING)
    usual = {"at": "2026-11-01T10:00:00Z", "email": "ann@shop.example"}
    return conformed(folder, *({"id": n, **usual, **row} for n, row in enumerate(rows)), name="pos.jsonl")[0]


def test_amounts(tmp_path: Path) -> None:
    cases = [
        ("12.5", "12.50"),
        (12.5, "12.50"),
        ("1.234,50", "1234.50"),
        (-3, "-3.00"),
        (None, None),
        ("free", None),
        ("1e400", "bad_amount"),
        (1e300, "bad_amount"),
        ("9" * 40, "bad_amount"),
    ]
    warehouse = sold(tmp_path, [{"amount": amount} for amount, _ in cases])
    assert warehouse.query(
        "select amount from (select line_number, amount::varchar as amount from conformed.events "
        "union all select line_number, reason from landing.rejects) order by line_number"
    )["amount"].to_list() == [expected for _, expected in cases]


VALUES: list[tuple[dict[str, Any], str, Any]] = [
    ({"amount": 1, "currency": "usd"}, "e.currency", "USD"),
    ({"amount": 1, "currency": "US dollars"}, "e.currency", None),
    ({"zone": "Europe/Berlin"}, "o.timezone", "Europe/Berlin"),
    ({"zone": "Mars/Base"}, "o.timezone", None),
    ({"country": "Deutschland"}, "o.country", "DE"),
    ({"country": "Atlantis"}, "o.country", None),
    ({"lang": "en_US"}, "o.language", "en"),
    ({"email": " ANN@Shop.Example"}, "o.email", "ann@shop.example"),
    ({"born": "1990-02-03"}, "o.date_of_birth::varchar", "1990-02-03"),
    ({"born": "1990-02-31"}, "o.date_of_birth::varchar", None),
    # PostgreSQL refuses NUL in texts.
    ({"customer": "c\x001"}, "o.customer_id", "c 1"),
    ({"customer": "\x00"}, "o.customer_id", None),
    ({"city": "New\tYork\x7f"}, "o.city", "New York"),
    ({"ids": '{"previous_id": "a\\u0000"}'}, "o.external_ids::varchar", None),
    ({"ids": '{"previous_id": "a"}'}, "o.external_ids::varchar", '{"previous_id": "a"}'),
    ({"note": "\x00"}, "e.properties->>'$.note' is not null", True),
]


def test_values_are_cleaned_or_dropped(tmp_path: Path) -> None:
    warehouse = sold(tmp_path, [cells for cells, _, _ in VALUES])
    found = [
        warehouse.scalar(
            f"select {what} from conformed.events e join conformed.observations o using (observation_id) "
            "where e.line_number = $1",
            [line],
        )
        for line, (_, what, _) in enumerate(VALUES, 1)
    ]
    assert found == [expected for _, _, expected in VALUES]


def test_consents_of_a_table(tmp_path: Path) -> None:
    warehouse = new_warehouse()
    tally = conform_files(warehouse, [land_file(warehouse, write_contacts(tmp_path), tmp_path / "landing")])
    assert tally.rows() == [("crm", "consent", 2), ("crm", "observation", 1)]
    assert warehouse.query(
        "select channel, state, scope, method, occurred_at::date::varchar, line_number "
        "from conformed.consents order by all"
    ).rows() == [
        ("email", "denied", "channel", "file", "2026-11-02", 3),
        ("email", "granted", "channel", "file", "2026-11-01", 2),
    ]


@pytest.mark.parametrize(
    ("stated", "expected"), [("2026-11-05", "2026-11-05"), ("1970-01-01", "2026-11-01"), ("2199-01-01", "2026-11-01")]
)
def test_a_consent_stated_at_an_impossible_time_counts_from_its_event(
    tmp_path: Path, stated: str, expected: str
) -> None:
    order = {
        "id": 7, "created_at": "2026-11-01T00:00:00Z", "total_price": "5.00", "line_items": [], "order_number": 7,
        "currency": "USD", "customer": {"id": 1, "email": "ann@shop.example", "email_marketing_consent": {
            "state": "subscribed", "consent_updated_at": f"{stated}T00:00:00Z"}},
    }  # fmt: skip
    warehouse, _ = conformed(tmp_path, order, name="shopify.jsonl")
    assert warehouse.query("select occurred_at::date::varchar from conformed.consents").rows() == [(expected,)]
