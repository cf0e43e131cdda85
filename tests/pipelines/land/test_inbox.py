"""What came in live, in a run: landed once, in the words of a file, with the ids that were given out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cdp.live import LiveItem, Receipt, Receiver
from cdp.metrics.catalogue import EMPTY_WINDOWS
from cdp.people.reading import find_person
from cdp.settings import DATA, Settings
from cdp.store import Store, open_store
from cdp.warehouse import published_path
from pipelines import flow
from pipelines.land.reading import open_bytes
from pipelines.run import Run
from tests.pipelines.runs import (
    NOW,
    conform_files,
    land_file,
    new_warehouse,
    published,
    published_tables,
    run,
    sendgrid,
    settings_in,
    stored_tables,
    write_lines,
)

pytestmark = pytest.mark.slow

STAGES = flow.STAGES
LATER, LATER_STILL = NOW + timedelta(hours=1), NOW + timedelta(hours=2)


without_gate = pytest.mark.usefixtures("ungated")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    store = open_store(settings.effective_store_url)
    try:
        yield store
    finally:
        store.close()


def receive(
    settings: Settings, *payloads: Any, source: str = "sendgrid", format: str | None = None, at: datetime = NOW
) -> Receipt:
    """Payloads, each with the hash of what it says as its message id."""
    with opened(settings) as store:
        receiver = Receiver(settings, store)
        items = [LiveItem(str(hash(json.dumps(payload))), payload) for payload in payloads]
        receipt = receiver.receive(source, items, at, format=format)
        receiver.close()
    return receipt


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with opened(settings) as store, store.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def waiting(settings: Settings) -> dict[str, int]:
    """How many rows wait for a run, and stand in until then."""
    queries = {
        "inbox": "select count(*) from inbox where landed_run_id is null",
        **{name: f"select count(*) from {name}" for name in ("live_members", "live_identifiers", "live_engagement")},
    }
    return {name: rows(settings, query)[0][0] for name, query in queries.items()}


NOTHING = {"inbox": 0, "live_members": 0, "live_identifiers": 0, "live_engagement": 0}


def call(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": "2026-11-19T10:00:00Z", **fields}


def people(settings: Settings) -> set[frozenset[str]]:
    """Who is one person: the observations of each profile."""
    found: dict[str, set[str]] = defaultdict(set)
    query = "select observation_id, profile_id from identity.members where valid_to_run is null"
    for observation_id, profile_id in published(settings, query):
        found[profile_id].add(observation_id)
    return {frozenset(members) for members in found.values()}


@pytest.fixture
def either(store_url: str, tmp_path: Path) -> Settings:
    """Settings with a store of either kind."""
    return settings_in(tmp_path, store_url=store_url)


def test_a_run_lands_the_inbox(either: Settings) -> None:
    receive(either, [sendgrid("delivered"), sendgrid("open")], sendgrid("unsubscribe", "ben@shop.example"), "nope")
    receive(either, call("identify", userId="u1", traits={"email": "ann@shop.example"}), source="web", format="segment")
    given = set(rows(either, "select observation_id, profile_id from live_members"))
    report = run(either, now=LATER)
    assert (report["files"], report["landed"]) == (2, 4)
    assert report["lines"] == {"reject": 1, "event": 3, "observation": 0, "consent": 0, "duplicate": 0}
    assert waiting(either) == NOTHING
    assert rows(either, "select distinct landed_run_id from inbox") == [(report["run_id"],)]
    assert set(rows(either, "select observation_id, profile_id from members")) == given
    assert published(either, "select path, format, row_count, reject_count from landing.files order by all") == [
        ("inbox:sendgrid:1-3", "sendgrid", 3, 1),
        ("inbox:web:4-4", "segment", 1, 0),
    ]
    assert published(either, "select distinct received_at from conformed.events")[0][0] == NOW
    assert published(either, "select line_number, payload->>'$.event' from landing.records where line_number = 2") == [
        (2, "unsubscribe")
    ]
    assert published(either, "select reason, count(*) from identity.profile_changes group by all") == [("created", 2)]
    again = run(either, now=LATER_STILL)
    assert (again["files"], again["landed"], again["events"]) == (0, 0, 4)


@without_gate
def test_the_same_events_in_files_count_once(settings: Settings, tmp_path: Path) -> None:
    events = [sendgrid("delivered"), sendgrid("open"), sendgrid("click", "ben@shop.example")]
    log = write_lines(tmp_path / "sendgrid.jsonl", events)
    receive(settings, *events[:2])
    report = run(settings, log)
    assert (report["events"], report["duplicates"]) == (3, 2)
    receive(settings, events[2])
    report = run(settings, now=LATER)
    assert (report["events"], report["duplicates"]) == (3, 1)


@without_gate
def test_ids_given_out_live_last(settings: Settings, tmp_path: Path) -> None:
    receive(settings, sendgrid("open"), sendgrid("open", "ben@shop.example"))
    before = dict(rows(settings, "select observation_id, profile_id from live_members"))
    run(settings, now=LATER)
    assert dict(rows(settings, "select observation_id, profile_id from members")) == before
    state = published_tables(settings), stored_tables(settings)
    published_path(settings.home).unlink()
    run(settings, now=LATER_STILL, full=True)
    assert (published_tables(settings), stored_tables(settings)) == state


@without_gate
def test_somebody_whom_no_run_has_seen_is_shown_as_a_run_shows_them(settings: Settings) -> None:
    person = {"userId": "u", "anonymousId": "a", "traits": {"email": "ann@shop.example", "firstName": "Ann"}}
    receive(settings, call("identify", **person), source="segment")
    receive(settings, sendgrid("delivered"), sendgrid("click"))
    before = shown(settings)
    run(settings, now=LATER)
    after = shown(settings)
    assert before.keys() == after.keys()
    for part in ("profile_id", "created_at", "last_seen_at", "metrics"):
        assert comparable(before[part]) == comparable(after[part])
    assert before["traits"] == after["traits"]
    for part in ("identity", "identifiers", "trait_evidence", "preferences"):
        assert [one.keys() for one in listed(before[part])] == [one.keys() for one in listed(after[part])]
    assert [(one["type"], one["value"], one["sources"]) for one in before["identifiers"]] == [
        (one["type"], one["value"], one["sources"]) for one in after["identifiers"]
    ]
    for name in ("channel", "reachable", "received_count", "response_count"):
        assert [one[name] for one in before["preferences"]] == [one[name] for one in after["preferences"]]


IN_BERN = call("identify", userId="u", traits={"city": "Bern", "firstName": "Ann"})
LEFT = call("identify", userId="u", timestamp="2026-11-19T11:00:00Z", traits={"city": None, "phone": None})
IN_BASEL = call("identify", userId="u", timestamp="2026-11-19T12:00:00Z", traits={"city": "Basel"})


@without_gate
@pytest.mark.parametrize(
    ("published", "live", "city"),
    [
        ([IN_BERN], [LEFT], None),
        ([IN_BERN], [LEFT, IN_BASEL], "Basel"),
        ([IN_BERN], [IN_BASEL, LEFT], "Basel"),
        ([IN_BERN, LEFT, IN_BASEL], [{**LEFT, "timestamp": "2026-11-19T13:00:00Z"}], None),
        ([IN_BERN, {**IN_BASEL, "timestamp": "2026-11-19T09:00:00Z"}], [LEFT], None),
        ([], [IN_BERN, LEFT], None),
        ([], [IN_BERN, IN_BASEL, LEFT], "Basel"),
        ([IN_BERN], [{**LEFT, "timestamp": "2026-11-18T11:00:00Z"}], "Bern"),
    ],
)
def test_a_trait_that_is_taken_back_is_gone_at_once_as_after_the_next_run(
    settings: Settings, published: list[Any], live: list[Any], city: str | None
) -> None:
    if published:
        receive(settings, *published, source="segment")
        run(settings)
    receive(settings, *live, source="segment", at=LATER)
    before = shown(settings)
    run(settings, now=LATER_STILL)
    after = shown(settings)
    assert before["traits"] == after["traits"]
    assert (after["traits"]["city"], after["traits"]["first_name"]) == (city, "Ann")
    assert current(before) == current(after)


@without_gate
def test_what_another_source_says_takes_the_place_of_what_is_taken_back(settings: Settings) -> None:
    receive(settings, IN_BERN, source="web", format="segment")
    receive(settings, {**IN_BASEL, "anonymousId": "a"}, source="app", format="segment")
    receive(settings, call("alias", userId="u", previousId="a"), source="web", format="segment")
    receive(settings, call("identify", userId="u", anonymousId="a"), source="web", format="segment")
    run(settings)
    receive(settings, {**LEFT, "timestamp": "2026-11-19T13:00:00Z"}, source="app", format="segment", at=LATER)
    before = shown(settings)
    run(settings, now=LATER_STILL)
    assert before["traits"] == shown(settings)["traits"]
    assert before["traits"]["city"] == "Bern"


@without_gate
def test_a_trait_of_another_name_is_in_the_document_until_it_is_taken_back(settings: Settings) -> None:
    receive(settings, call("identify", userId="u", traits={"plan": "gold", "seats": 4}), source="segment")
    run(settings)
    assert shown(settings)["custom_traits"] == {"plan": "gold", "seats": "4"}
    left = call("identify", userId="u", timestamp="2026-11-19T11:00:00Z", traits={"plan": None})
    receive(settings, left, source="segment", at=LATER)
    assert shown(settings)["custom_traits"] == {"seats": "4"}
    run(settings, now=LATER_STILL)
    assert shown(settings)["custom_traits"] == {"seats": "4"}


def current(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["trait"], one["value"]) for one in document["trait_evidence"] if one["is_current"]}


def shown(settings: Settings) -> dict[str, Any]:
    """The document of the only profile that there is."""
    [(profile_id,)] = rows(settings, "select profile_id from live_members union select profile_id from profiles")
    with opened(settings) as store, store.read() as connection:
        found = find_person(connection, profile_id)
    assert found is not None
    return dict(found.document) | {"identifiers": sorted(found.document["identifiers"], key=lambda one: one["type"])}


def comparable(part: Any) -> Any:
    """Without what only a run works out: what somebody last did, windows, and what a message must have gone through."""
    left_out = {"last_active_at", "recency_days", "active_day_count", "email_sent_count", "email_delivered_count"}
    left_out |= EMPTY_WINDOWS.keys()
    return {k: v for k, v in part.items() if k not in left_out} if isinstance(part, dict) else part


def listed(part: Any) -> list[dict[str, Any]]:
    return part if isinstance(part, list) else [part]


@without_gate
def test_somebody_new_does_not_take_the_id_of_whom_they_were_taken_for(settings: Settings, tmp_path: Path) -> None:
    mapping = (
        "source: crm\nkind: contacts\nfiles: people*\ncolumns: {first_name: first, last_name: last, email: email}\n"
    )
    (tmp_path / "crm.mapping.yaml").write_text(mapping)
    names = ("Ann,Archer", "Ben,Baker", "Cleo,Cole", "Dora,Dahl", "Emil,Engel", "Fred,Frost")
    for number, name in enumerate(names):
        (tmp_path / f"people-{number}.csv").write_text(f"first,last,email\n{name},home{number}@shop.example\n")
    run(settings, tmp_path)
    before = dict(rows(settings, "select observation_id, profile_id from members"))
    others = ("Rob Stone", "Sue Tyler", "Tom Ulrich", "Una Vance", "Viv Wolf", "Will Young")
    strangers = [
        call("identify", userId=f"u{number}", traits={"email": f"home{number}@shop.example", "name": name})
        for number, name in enumerate(others)
    ]
    receive(settings, *strangers, source="segment")
    taken_for = {owner for (owner,) in rows(settings, "select profile_id from live_members")}
    assert taken_for == set(before.values())
    run(settings, now=LATER)
    after = dict(rows(settings, "select observation_id, profile_id from members"))
    assert {one: after[one] for one in before} == before


@without_gate
def test_people_met_apart_who_are_one(settings: Settings) -> None:
    receive(settings, call("page", anonymousId="a"), call("page", anonymousId="b"), source="segment")
    met = {profile_id for (profile_id,) in rows(settings, "select profile_id from live_members")}
    receive(settings, call("identify", userId="u", anonymousId="a"), call("alias", userId="u", previousId="b"),
            source="segment")  # fmt: skip
    report = run(settings, now=LATER)
    assert (len(met), report["profiles"], report["merges"]) == (2, 1, 1)
    with opened(settings) as store, store.read() as connection:
        found = [find_person(connection, profile_id) for profile_id in sorted(met)]
    assert len({profile.profile_id for profile in found if profile}) == 1


@without_gate
def test_what_comes_in_while_a_run_is_under_way_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(settings, sendgrid("open"))

    def meanwhile(linking: Any) -> Any:
        def work(run: Run) -> int:
            receive(settings, sendgrid("click"), sendgrid("click", "new@shop.example"), at=LATER)
            return int(linking(run))

        return work

    stages = [flow.Stage(s.name, meanwhile(s.work)) if s.name == "link" else s for s in flow.STAGES]
    monkeypatch.setattr(flow, "STAGES", tuple(stages))
    report = run(settings, now=LATER)
    assert report["events"] == 1
    # The person whom the run has seen was told of again.
    assert waiting(settings) == {"inbox": 2, "live_members": 2, "live_identifiers": 1, "live_engagement": 2}
    monkeypatch.setattr(flow, "STAGES", STAGES)
    is_new = "observation_id not in (select observation_id from members)"
    [(profile_id,)] = rows(settings, f"select profile_id from live_members where {is_new}")
    report = run(settings, now=LATER_STILL)
    assert (report["events"], report["profiles"]) == (3, 2)
    assert waiting(settings) == NOTHING
    assert (profile_id,) in rows(settings, "select profile_id from members")


@without_gate
def test_an_observation_that_a_file_brings_meanwhile_goes_where_the_run_puts_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crm.mapping.yaml").write_text(
        "source: crm\nkind: contacts\nfiles: people*\ncolumns: {customer_id: id, email: email, phone: phone}\n"
    )
    first, second = tmp_path / "people-1.csv", tmp_path / "people-2.csv"
    first.write_text("id,email,phone\n1,ann@shop.example,\n")
    second.write_text("id,email,phone\n1,,+12025550101\n")
    run(settings, first)
    late = {"MessageSid": "SM1", "From": "+12025550199", "To": "+12025550101", "MessageStatus": "delivered"}
    log = write_lines(tmp_path / "twilio.jsonl", [{**late, "MessageSid": "SM0", "DateSent": "2026-11-18T00:00:00Z"}])

    def meanwhile(publishing: Any) -> Any:
        def work(run: Run) -> int:
            receive(settings, late, source="twilio", at=LATER)
            return int(publishing(run))

        return work

    stages = [flow.Stage(s.name, meanwhile(s.work)) if s.name == "publish" else s for s in flow.STAGES]
    monkeypatch.setattr(flow, "STAGES", tuple(stages))
    run(settings, second, log, now=LATER)
    [(owner,)] = rows(settings, "select distinct profile_id from members")
    assert rows(settings, "select profile_id from live_engagement") == [(owner,)]
    [(provisional,)] = rows(settings, "select profile_id from inbox")
    with opened(settings) as store, store.read() as connection:
        found = find_person(connection, provisional)
    assert found is not None
    assert provisional != owner == found.profile_id
    monkeypatch.setattr(flow, "STAGES", STAGES)
    run(settings, now=LATER_STILL)
    assert rows(settings, "select old_profile_id, profile_id from aliases") == [(provisional, owner)]
    assert waiting(settings) == NOTHING


# Runs in a process of its own that kills itself.
KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from pipelines import flow
from tests.pipelines.runs import Told, settings_in

module, name, folder, now = sys.argv[1:]
place = sys.modules[module]
work = getattr(place, name)
def killed(*args, **kwargs):
    work(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, killed)
flow._gate = lambda *_: 0
flow.run(settings_in(Path(folder)), [], Told(), now=datetime.fromisoformat(now))
"""

KILL_POINTS = {
    "landed": ("pipelines.land.inbox", "land_waiting"),
    "landing moved": ("pipelines.publish", "move_landing"),
    "warehouse renamed": ("pipelines.publish", "publish_warehouse"),
    "store written, inbox not noted": ("pipelines.publish.store", "record_run"),
    "inbox noted, not committed": ("pipelines.land.inbox", "let_go"),
}


@pytest.mark.long
@without_gate
def test_a_killed_run_lands_nothing_twice(tmp_path: Path) -> None:
    base = settings_in(tmp_path / "base")
    receive(base, sendgrid("delivered"), sendgrid("open"), {"event": "open"})
    folders = {point: tmp_path / point.replace(" ", "_") for point in KILL_POINTS}
    for folder in folders.values():
        shutil.copytree(base.home, folder / "home")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, *where, str(folders[point]), LATER.isoformat()], env=environment
        )
        for point, where in KILL_POINTS.items()
    ]
    assert [process.wait(timeout=120) for process in processes] == [-signal.SIGKILL] * len(KILL_POINTS)
    for point, folder in folders.items():
        settings = settings_in(folder)
        assert waiting(settings)["inbox"] == 3, point
        receive(settings, sendgrid("click"), at=LATER_STILL)
        report = run(settings, now=LATER_STILL)
        assert waiting(settings) == NOTHING, point
        assert (report["events"], published(settings, "select sum(row_count) from landing.files")) == (3, [(4,)]), point
        assert published(settings, "select count(*) from conformed.duplicates") == [(0,)], point
        assert published(settings, "select count(*) from landing.records") == [(4,)], point


@without_gate
def test_a_store_that_was_lost_does_not_hide_what_comes_in_after(settings: Settings) -> None:
    receive(settings, sendgrid("open"))
    run(settings, now=LATER)
    for file in settings.home.glob("store.sqlite*"):
        file.unlink()
    receive(settings, sendgrid("click"), at=LATER)
    assert rows(settings, "select seq from inbox") == [(1,)]
    assert run(settings, now=LATER_STILL)["events"] == 2
    assert waiting(settings) == NOTHING


def test_senders_of_rubbish_cannot_stop_runs(settings: Settings) -> None:
    receive(settings, *({"event": "open", "number": number} for number in range(9)), sendgrid("open"))
    report = run(settings, now=LATER)
    assert (report["published"], report["rejected"]) == (True, 9)


@without_gate
def test_what_is_landed_is_forgotten_after_a_while(settings: Settings) -> None:
    receive(settings, sendgrid("open"))
    run(settings, now=LATER)
    assert receive(settings, sendgrid("open")).duplicates == 1
    run(settings, now=NOW + timedelta(days=31))
    assert rows(settings, "select count(*) from inbox") == [(0,)]
    receive(settings, sendgrid("open"), at=NOW + timedelta(days=31))
    report = run(settings, now=NOW + timedelta(days=32))
    assert (report["events"], report["duplicates"]) == (1, 1)


SAMPLES = [
    *("sendgrid_events-0001.jsonl.gz", "sendgrid_events-0001.json", "twilio_inbound-0001.jsonl"),
    *("segment_events-0001.jsonl.gz", "fcm_delivery-0001.jsonl.gz", "whatsapp_webhooks-0001.jsonl.gz"),
    "shopify_orders-0001.jsonl.gz",
]


@pytest.mark.parametrize("name", SAMPLES)
def test_live_and_in_a_run_payloads_say_the_same(name: str, tmp_path: Path) -> None:
    source = name.split("_")[0]
    with open_bytes(DATA / "sample" / name) as log:
        lines = [line.decode().strip() for line in islice(log, 500)]
    warehouse, settings = new_warehouse(), settings_in(tmp_path)
    copy = write_lines(tmp_path / f"{source}.jsonl", lines)
    conform_files(warehouse, [land_file(warehouse, copy, tmp_path / "landing")])
    for first in range(0, len(lines), 97):
        receive(settings, *lines[first : first + 97], source=source)
    wanted = {
        "live_members": "select observation_id from conformed.observations",
        "live_engagement": "select event_id, channel, event_type, message_ref, is_machine from conformed.events",
    }
    live = {
        "live_members": "select observation_id from live_members",
        "live_engagement": "select event_id, channel, event_type, message_ref, is_machine from live_engagement",
    }
    for name, query in wanted.items():
        assert sorted(map(repr, warehouse.query(query).rows())) == sorted(
            repr((*row[:-1], bool(row[-1]))) if name == "live_engagement" else repr(row)
            for row in rows(settings, live[name])
        )


CALLS = [
    call(kind, messageId=f"{kind}{number}", **who)
    for number, who in enumerate(
        (
            {"userId": "u1", "anonymousId": "a"},
            {"anonymousId": "a"},
            {"anonymousId": "b", "traits": {"email": "ann@shop.example", "firstName": "Ann"}},
            {"userId": "u2", "anonymousId": "a"},
            {"userId": "u2", "traits": {"email": "info@shop.example"}},
            {"userId": "u3", "traits": {"email": "ann@shop.example", "firstName": "Bob", "lastName": "Stone"}},
        )
    )
    for kind in ("identify", "page", "nonsense")
]
MAILS = [
    sendgrid(event, email)
    for event in ("delivered", "click", "unsubscribe", "group_resubscribe", "spamreport")
    for email in ("ann@shop.example", "info@shop.example", "cat@shop.example", "no address")
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("segment"), st.lists(st.sampled_from(CALLS), min_size=1, max_size=5)),
        st.tuples(st.just("sendgrid"), st.lists(st.sampled_from(MAILS), min_size=1, max_size=5)),
        st.just(("run", [])),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.long
@without_gate
@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_live_and_then_a_run_is_as_in_files(
    steps: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    live, in_files = settings_in(folder / "live"), settings_in(folder / "files")
    logs: dict[str, list[Any]] = {"segment": [{"no": "call"}], "sendgrid": [sendgrid("open")]}
    receive(live, sendgrid("open"))
    for number, (source, payloads) in enumerate(steps):
        if source == "run":
            run(live, now=NOW + timedelta(minutes=number))
        else:
            receive(live, *payloads, source=source)
            logs[source] += payloads
    run(live, now=LATER)
    run(in_files, *(write_lines(folder / f"{source}.jsonl", lines) for source, lines in logs.items()))
    for query in (
        "select event_id, source, channel, event_type, occurred_at, observation_id from conformed.events order by all",
        "select consent_id, observation_id, channel, state, occurred_at from conformed.consents order by all",
        "select observation_id, first_seen_at, last_seen_at, event_count from conformed.observations order by all",
    ):
        assert published(live, query) == published(in_files, query)
    assert people(live) == people(in_files)
    assert waiting(live) == NOTHING
