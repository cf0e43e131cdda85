"""The simulator's files are read back as a stranger would read them, and compared with its truth."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import phonenumbers
import polars as pl
import pytest
import yaml

from cdp.errors import UsageError
from pipelines.simulate import SimulationSummary, simulate
from pipelines.simulate.accounts import as_known
from pipelines.simulate.clock import make_clock
from pipelines.simulate.people import NEVER, make_people
from pipelines.simulate.vocabulary import JUNK_EMAILS, JUNK_PHONES

pytestmark = pytest.mark.slow

END = datetime(2026, 11, 20, tzinfo=UTC)
PEOPLE = 1_500


@dataclass(frozen=True)
class Row:
    """A row as it stands in a file: `content` is None where it cannot be read."""

    file: str
    line_number: int
    content: Any


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture(scope="module")
def summary(out: Path) -> SimulationSummary:
    return simulate(out, people=PEOPLE, seed=5, end=END)


@pytest.fixture(scope="module")
def rows(out: Path, summary: SimulationSummary) -> dict[str, list[Row]]:
    """All rows by family of files."""
    found: dict[str, list[Row]] = defaultdict(list)
    for path in sorted(out.iterdir()):
        if "truth" not in path.name and path.suffix != ".yaml":
            found[path.name.split("-")[0]].extend(_rows_of(path))
    return found


@pytest.fixture(scope="module")
def truth(out: Path, summary: SimulationSummary) -> dict[tuple[str, int], dict[str, str]]:
    with (out / "truth.csv").open(newline="") as file:
        return {(row["file"], int(row["line_number"])): row for row in csv.DictReader(file)}


def _rows_of(path: Path) -> Iterator[Row]:
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    if path.suffix == ".csv":
        lines = text.removesuffix("\n").split("\n")
        for number, cells in enumerate(csv.reader(lines), start=1):
            if number == 1:
                header = cells
            else:
                yield Row(
                    path.name,
                    number,
                    dict(zip(header, cells, strict=True)) if len(cells) == len(header) else None,
                )
    elif path.suffix == ".json":
        document = json.loads(text)
        elements = document if isinstance(document, list) else next(iter(document.values()))
        yield from (Row(path.name, number, element) for number, element in enumerate(elements, start=1))
    else:
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            yield Row(path.name, number, _json_or_none(line))


def _json_or_none(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _whatsapp_value(row: Row) -> Any:
    return row.content["entry"][0]["changes"][0]["value"]


def _whatsapp_number(row: Row) -> str:
    value = _whatsapp_value(row)
    return str(value["statuses"][0]["recipient_id"] if "statuses" in value else value["contacts"][0]["wa_id"])


def _twilio_number(row: Row) -> str:
    message = {key.lower(): value for key, value in row.content.items()}
    inbound = message.get("direction", "inbound") == "inbound"
    return str(message["from"] if inbound else message["to"])


# What names a person in each family; None where the row is broken so that nobody is named.
DESCRIPTIONS = {
    "sendgrid_events": lambda row: row.content.get("email"),
    "twilio_messages": _twilio_number,
    "twilio_inbound": _twilio_number,
    "segment_events": lambda row: (
        row.content["anonymousId"],
        row.content.get("userId"),
        str(row.content.get("traits")),
    ),
    "fcm_delivery": lambda row: row.content["instance_id"],
    "whatsapp_webhooks": _whatsapp_number,
    "shopify_orders": lambda row: (row.content["customer"]["id"], str(row.content["billing_address"])),
    "shopify_customers": lambda row: row.content["id"],
    "crm_contacts": lambda row: row.content["Contact ID"],
    "pos_events": lambda row: (row.content["Card"], row.content["Email"], row.content["Mobile"]),
}


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name, people=60, seed=seed, days=14, end=END)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert _digests(tmp_path / "a")["truth.csv"] != _digests(tmp_path / "c")["truth.csv"]


@pytest.mark.parametrize(("people", "days"), [(1, 1), (2, 90), (3, 7)])
def test_small_simulations(tmp_path: Path, people: int, days: int) -> None:
    summary = simulate(tmp_path, people=people, days=days, end=END)
    assert summary.people == people
    assert all(path.exists() for path in summary.files)


@pytest.mark.parametrize(
    "arguments",
    [{"people": 0}, {"people": 5, "days": 0}, {"people": 5, "end": datetime(2026, 11, 20)}],  # noqa: DTZ001
)
def test_impossible_arguments_are_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        simulate(tmp_path, **{"end": END, **arguments})


def test_people_come_in_chunks_with_part_files_of_their_own(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    simulate(tmp_path, people=25, end=END, chunk_people=10, progress=lambda now, all_: done.append((now, all_)))
    assert done == [(10, 25), (20, 25), (25, 25)]
    assert [path.name for path in sorted(tmp_path.glob("crm_contacts-*.csv"))] == [
        f"crm_contacts-{part:04d}.csv" for part in (1, 2, 3)
    ]
    contacts = [
        row.content["Contact ID"] for path in tmp_path.glob("crm_contacts-*") for row in _rows_of(path) if row.content
    ]
    assert len(set(contacts)) > 0.98 * len(contacts)
    with (tmp_path / "truth.csv").open() as file:
        assert len({row["person_id"] for row in csv.DictReader(file)}) == 25


def test_summary_counts_what_is_in_the_files(summary: SimulationSummary, rows: dict[str, list[Row]]) -> None:
    assert {family: len(found) for family, found in rows.items()} == dict(summary.rows)
    assert 24 < summary.total_rows / PEOPLE < 34


def test_every_description_is_in_the_truth_at_its_first_line(
    rows: dict[str, list[Row]], truth: dict[tuple[str, int], dict[str, str]]
) -> None:
    for family, found in rows.items():
        first: dict[tuple[str, Any], int] = {}
        for row in found:
            if row.content is not None and (described := DESCRIPTIONS[family](row)):
                first.setdefault((row.file, described), row.line_number)
        missing = [place for (file, _), place in first.items() if (file, place) not in truth]
        assert not missing, family


def test_truth_lines_exist_and_name_somebody(
    rows: dict[str, list[Row]], truth: dict[tuple[str, int], dict[str, str]]
) -> None:
    readable = {
        (row.file, row.line_number)
        for family, found in rows.items()
        for row in found
        if row.content is not None and DESCRIPTIONS[family](row)
    }
    assert set(truth) <= readable


def test_keys_that_belong_to_one_person_never_change_hands(
    rows: dict[str, list[Row]], truth: dict[tuple[str, int], dict[str, str]]
) -> None:
    holders: dict[tuple[str, Any], set[str]] = defaultdict(set)
    households: dict[tuple[str, Any], set[str]] = defaultdict(set)
    for family, found in rows.items():
        for row in found:
            known = truth.get((row.file, row.line_number))
            if known and row.content:
                for key in _keys(family, row):
                    holders[key].add(known["person_id"])
                    households[key].add(known["household_id"])
    personal = {key: who for key, who in holders.items() if key[0] in ("shop", "crm", "account")}
    assert len(personal) > PEOPLE
    assert all(len(who) == 1 for who in personal.values())
    # Family addresses, landlines and tablets are shared, but never between households.
    shared = {key: homes for key, homes in households.items() if key[0] in ("email", "device")}
    assert all(len(homes) == 1 for homes in shared.values())
    assert sum(len(holders[key]) > 1 for key in shared if key[0] == "email") > 5
    assert sum(len(holders[key]) > 1 for key in shared if key[0] == "device") > 5


def _keys(family: str, row: Row) -> Iterator[tuple[str, Any]]:
    content = row.content
    if family.startswith("shopify"):
        yield "shop", content["customer"]["id"] if "customer" in content else content["id"]
    if family == "crm_contacts":
        yield "crm", content["Contact ID"]
    if family == "segment_events" and content.get("userId"):
        yield "account", content["userId"]
    if family == "fcm_delivery":
        yield "device", content["instance_id"]
    email = content.get("email") or content.get("Email") if isinstance(content, dict) else None
    if email and email.lower() not in {junk.lower() for junk in JUNK_EMAILS}:
        yield "email", email.lower()


def test_phone_numbers_are_valid_where_a_machine_made_them(rows: dict[str, list[Row]]) -> None:
    numbers = {_twilio_number(row) for row in rows["twilio_messages"] if row.content}
    numbers |= {"+" + _whatsapp_number(row) for row in rows["whatsapp_webhooks"] if row.content}
    numbers |= {row.content["phone"] for row in rows["shopify_customers"] if row.content["phone"]}
    invalid = [number for number in numbers if not phonenumbers.is_valid_number(phonenumbers.parse(number))]
    assert len(numbers) > 500
    assert not invalid


def test_typed_phone_numbers_are_valid_in_their_country_or_junk(rows: dict[str, list[Row]]) -> None:
    names = {"United States": "US", "United Kingdom": "GB", "Germany": "DE", "France": "FR", "Spain": "ES",
             "Netherlands": "NL", "Australia": "AU", "Brazil": "BR"}  # fmt: skip
    contacts = [row.content for row in rows["crm_contacts"] if row.content and row.content["Mobile"]]
    typed = [one for one in contacts if one["Mobile"] not in JUNK_PHONES]
    invalid = [
        one["Mobile"]
        for one in typed
        if not phonenumbers.is_valid_number(
            phonenumbers.parse(one["Mobile"], names.get(one["Country"], one["Country"]))
        )
    ]
    assert not invalid
    assert 0 < len(contacts) - len(typed) < 0.05 * len(contacts)


def test_e_mail_domains_are_reserved_ones(rows: dict[str, list[Row]]) -> None:
    emails = {row.content["email"] for row in rows["sendgrid_events"] if row.content and "email" in row.content}
    emails |= {
        row.content["Email"].lower() for row in rows["crm_contacts"] if row.content and "@" in row.content["Email"]
    }
    allowed = (".example", ".test", "@example.com", "@example.org", "@example.net")
    assert {email for email in emails if not email.endswith(allowed)} <= set(JUNK_EMAILS)


def test_recycled_numbers_have_one_owner_at_a_time() -> None:
    clock = make_clock(END, 90)
    people = make_people(np.random.default_rng(1), clock, 0, 2_000, 1)
    former = people.filter(pl.col("number_changed_at") != NEVER)
    pairs = former.join(former, left_on="former_mobile", right_on="mobile", suffix="_next")
    assert pairs.height > 10
    idle = pairs["number_changed_at_next"] - pairs["number_changed_at"]
    assert (idle > (clock.end - clock.start) // 3).all()
    for at in (clock.start, int(clock.at_fraction(0.5)), clock.end):
        known = as_known(people, pl.Series(range(people.height)), pl.Series([at] * people.height))
        assert known["mobile"].n_unique() == people.height


def test_rows_are_in_the_order_of_time(rows: dict[str, list[Row]]) -> None:
    by_file: dict[str, list[int]] = defaultdict(list)
    for row in rows["sendgrid_events"]:
        if row.content and row.content["timestamp"] > 0:
            by_file[row.file].append(row.content["timestamp"])
    for times in by_file.values():
        late = sum(later < earlier for earlier, later in pairwise(times))
        assert late < len(times) / 100  # redelivered events come late


def test_a_few_rows_are_broken_and_some_come_twice(rows: dict[str, list[Row]]) -> None:
    events = [row for row in rows["sendgrid_events"] if row.content and "sg_event_id" in row.content]
    broken = [
        row
        for family in ("sendgrid_events", "segment_events", "fcm_delivery", "whatsapp_webhooks")
        for row in rows[family]
        if row.content is None or (row.content.get("email") is None and family == "sendgrid_events")
    ]
    total = sum(
        len(rows[family]) for family in ("sendgrid_events", "segment_events", "fcm_delivery", "whatsapp_webhooks")
    )
    assert total / 10_000 < len(broken) < total / 1_000
    parts: dict[str, list[str]] = defaultdict(list)
    for row in events:
        parts[row.content["sg_event_id"]].append(row.file)
    twice = [files for files in parts.values() if len(files) > 1]
    assert len(events) / 500 < len(twice) < len(events) / 180
    assert {len(set(files)) for files in twice} == {1, 2}  # in the same file, and in a later one


def test_sendgrid_events_have_their_fields(rows: dict[str, list[Row]]) -> None:
    events = [row.content for row in rows["sendgrid_events"] if row.content]
    kinds = {event["event"] for event in events}
    assert kinds >= {
        "processed",
        "delivered",
        "deferred",
        "bounce",
        "dropped",
        "open",
        "click",
        "unsubscribe",
    }
    assert all(isinstance(event["sg_machine_open"], bool) for event in events if event["event"] == "open")
    assert all(event["url"].startswith("https://") for event in events if event["event"] == "click")
    assert {type(event["category"]) for event in events} == {str, list}
    assert all(value is not None for event in events for value in event.values())


def test_twilio_gives_each_message_in_one_of_its_formats(rows: dict[str, list[Row]]) -> None:
    export = [row.content for row in rows["twilio_messages"] if row.content and "Sid" in row.content]
    page = [row.content for row in rows["twilio_messages"] if row.content and "sid" in row.content]
    inbound = [row.content for row in rows["twilio_inbound"] if row.content]
    assert {message["Status"] for message in export} == {
        "delivered",
        "undelivered",
        "failed",
        "sent",
        "received",
    }
    assert {message["direction"] for message in page} == {"outbound-api"}
    assert {message.get("OptOutType") for message in inbound} >= {None, "STOP"}
    assert not {message["Sid"] for message in export} & {message["sid"] for message in page}


def test_fcm_rows_are_as_bigquery_exports_them(rows: dict[str, list[Row]]) -> None:
    events = [row.content for row in rows["fcm_delivery"] if row.content]
    assert {event["event"] for event in events} == {
        "MESSAGE_ACCEPTED",
        "MESSAGE_DELIVERED",
        "MISSING_REGISTRATIONS",
    }
    good = [event["event_timestamp"] for event in events if not event["event_timestamp"].startswith("2026-02-31")]
    times = [datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC) for text in good]
    assert max(times) < END
    tokens = {
        row.content["context"]["device"]["token"].split(":")[0]
        for row in rows["segment_events"]
        if row.content and "device" in row.content["context"]
    }
    assert len({event["instance_id"] for event in events} & tokens) > 100


def test_whatsapp_bodies(rows: dict[str, list[Row]]) -> None:
    values = [_whatsapp_value(row) for row in rows["whatsapp_webhooks"] if row.content]
    statuses = [status for value in values for status in value.get("statuses", [])]
    assert {status["status"] for status in statuses} == {"sent", "delivered", "read", "failed"}
    assert any(len(value.get("statuses", [])) > 1 for value in values)
    assert all("errors" in status for status in statuses if status["status"] == "failed")
    preferences = [one["value"] for value in values for one in value.get("user_preferences", [])]
    assert set(preferences) == {"stop", "resume"}
    assert all(value["contacts"][0]["profile"]["name"] for value in values if "messages" in value)


def test_online_orders_are_the_same_in_the_shop_and_on_the_web(rows: dict[str, list[Row]]) -> None:
    shop = {str(row.content["id"]): row.content for row in rows["shopify_orders"] if row.content}
    web = [
        row.content["properties"]
        for row in rows["segment_events"]
        if row.content and row.content.get("event") == "Order Completed"
    ]
    same = [order for order in web if order["order_id"] in shop]
    assert len(same) > 0.98 * len(web) > 100
    for order in same:
        assert float(shop[order["order_id"]]["total_price"]) == pytest.approx(order["total"])
    for order in shop.values():
        paid = sum(float(item["price"]) * item["quantity"] for item in order["line_items"])
        assert paid - float(order["total_discounts"]) == pytest.approx(float(order["total_price"]), abs=0.011)


def test_mapping_files_name_columns_that_are_there(out: Path, rows: dict[str, list[Row]]) -> None:
    for family in ("crm_contacts", "pos_events"):
        mapping = yaml.safe_load((out / f"{family}.mapping.yaml").read_text())
        header = next(row.content for row in rows[family] if row.content).keys()
        assert set(mapping["columns"].values()) <= set(header)


def test_people_answer_as_often_as_the_truth_says(
    rows: dict[str, list[Row]], truth: dict[tuple[str, int], dict[str, str]]
) -> None:
    holder: dict[str, set[str]] = defaultdict(set)
    chance: dict[str, float] = {}
    for row in rows["sendgrid_events"]:
        known = truth.get((row.file, row.line_number))
        if known and row.content.get("email"):
            holder[row.content["email"]].add(known["person_id"])
            if known["p_email"]:
                chance[row.content["email"]] = float(known["p_email"])
    events = {row.content["sg_event_id"]: row.content for row in rows["sendgrid_events"] if row.content}
    alone = {email for email in chance if len(holder[email]) == 1}
    sent = np.array(
        [chance[e["email"]] for e in events.values() if e["event"] == "processed" and e.get("email") in alone]
    )
    clicks = sum(e["event"] == "click" and e.get("email") in alone for e in events.values())
    assert len(sent) > 3_000
    assert abs(clicks - sent.sum()) < 4 * np.sqrt((sent * (1 - sent)).sum())


def test_people_click_around_their_preferred_local_hour(
    rows: dict[str, list[Row]], truth: dict[tuple[str, int], dict[str, str]]
) -> None:
    who = {
        row.content["email"]: known
        for row in rows["sendgrid_events"]
        if (known := truth.get((row.file, row.line_number))) and row.content.get("email")
    }
    near = []
    for row in rows["sendgrid_events"]:
        event = row.content
        if event and event["event"] == "click" and event["timestamp"] > 0 and event.get("email") in who:
            known = who[event["email"]]
            hour = datetime.fromtimestamp(event["timestamp"], ZoneInfo(known["timezone"])).hour
            near.append(min((hour - int(known["best_hour"])) % 24, (int(known["best_hour"]) - hour) % 24) <= 1)
    assert len(near) > 300
    assert 0.65 < np.mean(near) < 0.95


def test_best_channel_is_the_reachable_one_with_the_highest_chance(
    truth: dict[tuple[str, int], dict[str, str]],
) -> None:
    for known in truth.values():
        chances = {
            name: float(known[f"p_{name}"]) for name in ("email", "sms", "push", "whatsapp") if known[f"p_{name}"]
        }
        if chances:
            assert chances[known["best_channel"]] == max(chances.values())
        else:
            assert known["best_channel"] == ""


def test_campaigns_cause_the_orders_that_the_truth_states(tmp_path: Path) -> None:
    simulate(tmp_path, people=2_500, seed=11, end=END)
    table = pl.read_csv(tmp_path / "campaigns_truth.csv")
    treated, control = (table.filter(pl.col("arm") == arm) for arm in ("treatment", "control"))
    assert abs(treated.height - control.height) < 4 * np.sqrt(table.height)
    assert control["caused"].sum() == 0
    effect = treated["effect"].mean()
    lift = treated["orders"].mean() - control["orders"].mean()  # type: ignore[operator]
    error = np.sqrt(treated["orders"].var() / treated.height + control["orders"].var() / control.height)  # type: ignore[operator]
    assert abs(lift - effect) < 4 * error  # type: ignore[operator]
    assert lift > 3 * error
