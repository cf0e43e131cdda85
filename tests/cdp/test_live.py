"""Live payloads are durable, counted once, and resolved to people at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdp.errors import Unavailable, UsageError
from cdp.live import LiveItem, Outcome, Receipt, Receiver, inbox
from cdp.live.receive import Refusal
from cdp.live.resolve import ATTEMPTS, founded_by
from cdp.people import live_layer
from cdp.people.lookup import lookup
from cdp.people.published import PublishedChanges, apply_publish
from cdp.people.reading import find_person, read_person
from cdp.settings import Settings
from cdp.store import Store, open_store
from cdp.warehouse import open_memory

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = f"msg_{md5(b'old').hexdigest()}"
ANN, BEN, CAT = ("prf_" + letter * 26 for letter in "ABC")


@pytest.fixture
def receiver(store: Store, tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(Settings(home=tmp_path, threads=2), store)
    yield made
    made.close()


def call(kind: str = "page", **fields: Any) -> dict[str, Any]:
    """A call as sent by a tracking SDK."""
    return {
        "type": kind,
        "timestamp": "2026-11-19T10:00:00Z",
        "context": {"library": {"name": "analytics.js"}},
        **fields,
    }


def mail(event: str, email: str, message: str = "m1", at: datetime = NOW, **more: Any) -> dict[str, Any]:
    key = f"{event}-{email}-{message}"
    stamp = int(at.timestamp())
    return {"event": event, "email": email, "timestamp": stamp, "sg_event_id": key, "sg_message_id": message, **more}


def receive(
    receiver: Receiver, *payloads: Any, source: str = "web", format: str = "segment", first: int = 0
) -> Receipt:
    """Payloads, each with its own message id."""
    items = [LiveItem(f"m{number}", payload) for number, payload in enumerate(payloads, first)]
    return receiver.receive(source, items, NOW, format=format)


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def publish(store: Store, *identifiers: tuple[str, str, str], **more: pl.DataFrame) -> None:
    """Profiles and their identifiers, as if published by a run."""
    owners = sorted({owner for _, _, owner in identifiers})
    document = {
        "traits": {"first_name": "Ann", "email": None, "city": None},
        "identity": {"observation_count": 1, "source_count": 1, "confidence": 1.0, "members": ["o1"], "aliases": []},
        "created_at": "2026-11-01T00:00:00.000Z",
        "last_seen_at": "2026-11-10T00:00:00.000Z",
        "metrics": {"event_count": 1, "email_clicked_count": 2, "first_event_at": "2026-11-01 00:00:00+00",
                    "last_event_at": "2026-11-10 00:00:00+00"},
        "trait_evidence": [],
        "segments": [{"segment": "lapsed", "entered_at": "2026-11-10T00:00:00.000Z"}],
        "preferences": [
            {"channel": "email", "reachable": True, "score": 0.2, "low": 0.1, "high": 0.3, "received_count": 4,
             "response_count": 1, "best_hours": None, "timezone": None}
        ],
        "recent_messages": [
            {"channel": "email", "message_id": OLD, "sent_at": "2026-11-09T00:00:00.000Z", "is_received": True,
             "is_answered": False}
        ],
    }  # fmt: skip
    held = [
        {"type": kind, "value": value, "owner": owner, "sources": ["crm"], "quality": "unique"}
        for kind, value, owner in identifiers
    ]
    documents = [
        json.dumps({**document, "profile_id": owner, "identifiers": [one for one in held if one["owner"] == owner]})
        for owner in owners
    ]
    found = pl.DataFrame(list(identifiers), schema=["type", "value", "profile_id"], orient="row")
    profiles = pl.DataFrame({"profile_id": owners, "document": documents, "document_hash": owners})
    with store.write() as connection:
        changes = PublishedChanges(NOW, profiles_upsert=profiles, identifiers_insert=found, **more)
        apply_publish(connection, changes)


def owner_of(store: Store, receiver: Receiver, payload: Any, first: int = 100) -> str:
    """The profile that a payload is resolved to."""
    receipt = receive(receiver, payload, first=first)
    assert (receipt.accepted, receipt.rejected) == (1, [])
    return str(rows(store, f"select profile_id from inbox where message_id = 'm{first}'")[0][0])


def test_new_payloads_are_accepted_once(receiver: Receiver, store: Store) -> None:
    first, second = call(anonymousId="a", messageId="1"), call(anonymousId="b", messageId="2")
    assert receive(receiver, first, second).outcomes == [Outcome(True), Outcome(True)]
    before = rows(store, "select * from live_engagement order by event_id")
    again = [LiveItem("m1", second), LiveItem("m2", call(anonymousId="c", messageId="3")), LiveItem("m2", first)]
    repeated = receiver.receive("web", again, NOW, format="segment")
    assert repeated.outcomes == [Outcome(False), Outcome(True), Outcome(False)]
    assert (repeated.accepted, repeated.duplicates, repeated.rejected) == (1, 2, [])
    assert [row[0] for row in rows(store, "select message_id from inbox order by seq")] == ["m0", "m1", "m2"]
    assert [row for row in rows(store, "select * from live_engagement order by event_id") if row in before] == before
    assert rows(store, "select count(*) from live_engagement") == [(3,)]
    assert receiver.receive("app", [LiveItem("m1", second)], NOW, format="segment").accepted == 1


def test_one_bad_item_does_not_fail_the_others(receiver: Receiver, store: Store) -> None:
    payloads = [
        *("{", "5", call(anonymousId="a"), call("nonsense", anonymousId="a"), call(), call(userId="u", timestamp="?")),
        *("[]", call(anonymousId="b", timestamp="2026-11-22T00:00:00Z")),
    ]
    receipt = receive(receiver, *payloads)
    assert receipt.accepted == 8
    assert receipt.rejected == [
        (0, "broken_json"), (1, "malformed"), (3, "unknown_event"), (4, "no_identifier"), (5, "bad_time"),
        (6, "malformed"), (7, "time_in_future"),
    ]  # fmt: skip
    assert rows(store, "select count(*) from inbox") == [(8,)]
    assert rows(store, "select count(*) from live_members") == [(1,)]


def test_payloads_of_any_form(receiver: Receiver, store: Store) -> None:
    body = [mail("open", "ann@shop.example"), mail("click", "ben@shop.example")]
    receipt = receive(
        receiver, body, json.dumps(body[0], indent=1), '\ufeff{"event": "\0"}', mail("open", "é\ud800@shop.example"),
        source="sendgrid", format="sendgrid",
    )  # fmt: skip
    assert receipt.accepted == 4
    assert [position for position, _ in receipt.rejected] == [2]
    assert rows(store, "select event_type, count(*) from live_engagement group by 1 order by 1") == [
        ("clicked", 1),
        ("opened", 2),
    ]


FUTURE = (NOW + timedelta(days=3)).isoformat()
CLIENTS_FIELDS: tuple[tuple[str, Any, str, str], ...] = (
    # a source, a payload, why it is refused, and the field as the client named it
    ("segment", {"type": "track", "event": "e", "userId": "u", "timestamp": FUTURE}, "time_in_future", "timestamp"),
    ("segment", {"type": "page", "userId": "u", "timestamp": "1970-01-01T00:00:00Z"}, "bad_time", "timestamp"),
    (
        "segment",
        {"type": "page", "userId": "u", "originalTimestamp": FUTURE},
        "time_in_future",
        "originalTimestamp",
    ),
    ("sendgrid", {"event": "open", "email": "nobody", "timestamp": 1782907200}, "no_identifier", "email"),
    ("sendgrid", {"event": "open", "email": "a@b.example", "timestamp": 4102444800}, "time_in_future", "timestamp"),
    ("mailgun", {"event": "opened", "recipient": "nobody", "timestamp": 1782907200.5}, "no_identifier", "recipient"),
    (
        "postmark",
        {"RecordType": "Delivery", "Recipient": "a@b.example", "DeliveredAt": FUTURE},
        "time_in_future",
        "DeliveredAt",
    ),
    (
        "shopify",
        {"id": 1, "email": "a@b.example", "orders_count": 0, "created_at": FUTURE},
        "time_in_future",
        "created_at",
    ),
)


@pytest.mark.parametrize(("source", "payload", "reason", "field"), CLIENTS_FIELDS)
def test_a_refusal_names_the_clients_field(
    receiver: Receiver, source: str, payload: Any, reason: str, field: str
) -> None:
    found = receiver.refusals(source, [LiveItem("m", payload)], NOW)
    assert found == {0: Refusal(reason, field)}


def test_text_that_databases_do_not_accept(receiver: Receiver, store: Store) -> None:
    odd = {"event": "Email Opened\0", "userId": "u\0", "properties": {"message_id": "m\0", "\ud800": "\0"}}
    receipt = receiver.receive("web", [LiveItem("id\0\ud800", call("track", **odd))], NOW, format="segment")
    assert (receipt.accepted, receipt.rejected) == (1, [])
    assert rows(store, "select message_id from inbox") == [("id\ufffd\ufffd",)]
    assert rows(store, "select message_ref from live_engagement") == [("m",)]
    assert rows(store, "select value from live_identifiers") == [("web:u",)]


def test_format_and_source_name_are_checked(receiver: Receiver) -> None:
    with pytest.raises(UsageError, match="unknown format"):
        receive(receiver, {}, format="nothing")
    with pytest.raises(UsageError, match="unknown format"):
        receive(receiver, {}, format="contacts")
    with pytest.raises(UsageError, match="lower-case"):
        receive(receiver, {}, source="it's")
    assert receive(receiver, call(anonymousId="a")).accepted == 1
    assert receive(receiver).outcomes == ()


HELD = {
    "customer_id": ("web:u1", call("identify", userId="u1")),
    "email": ("ann@shop.example", call("identify", anonymousId="new", traits={"email": " Ann@Shop.example"})),
    "phone": ("+12025550101", call("identify", anonymousId="new", traits={"phone": "(202) 555-0101"})),
    "device_token": ("token-1", call("screen", anonymousId="new", context={"device": {"token": "token-1"}})),
    "anonymous_id": ("a1", call(anonymousId="a1")),
    "telegram_chat": (
        "1111111",
        call("identify", anonymousId="new", context={"externalIds": [{"id": "1111111", "type": "telegram_chat"}]}),
    ),
}


@pytest.mark.parametrize("kind", HELD)
def test_an_identifier_leads_to_the_person_who_holds_it(receiver: Receiver, store: Store, kind: str) -> None:
    value, payload = HELD[kind]
    publish(store, (kind, value, ANN))
    assert owner_of(store, receiver, payload) == ANN


def test_the_strongest_identifier_wins(receiver: Receiver, store: Store) -> None:
    publish(store, ("customer_id", "web:u1", ANN), ("email", "b@shop.example", BEN), ("anonymous_id", "x", CAT))
    said = {"anonymousId": "x", "traits": {"email": "b@shop.example"}}
    assert owner_of(store, receiver, call("identify", userId="u1", **said)) == ANN
    assert owner_of(store, receiver, call("identify", **said), first=101) == BEN


def test_a_value_of_several_people_is_ignored(receiver: Receiver, store: Store) -> None:
    publish(store, ("email", "f@shop.example", ANN), ("email", "f@shop.example", BEN), ("anonymous_id", "x", CAT))
    family = {"email": "f@shop.example"}
    assert owner_of(store, receiver, call("identify", anonymousId="x", traits=family)) == CAT
    assert owner_of(store, receiver, call("identify", anonymousId="y", traits=family), first=101) not in (ANN, BEN, CAT)


JUNK = [
    call("identify", traits={"email": "test@test.com"}),
    call("identify", traits={"email": "info@shop.example"}),
    call("identify", traits={"phone": "+12025555555555"}),
    call("identify", traits={"email": "crowd@shop.example"}),
]


@pytest.mark.parametrize("payload", JUNK, ids=lambda one: json.dumps(one["traits"]))
def test_junk_values_are_ignored(receiver: Receiver, store: Store, payload: dict[str, Any]) -> None:
    junk = pl.DataFrame({"type": ["email"], "value": ["crowd@shop.example"]})
    publish(store, ("email", "info@shop.example", ANN), ("email", "test@test.com", ANN), junk_insert=junk)
    found = [owner_of(store, receiver, {**payload, "userId": f"u{n}"}, first=n) for n in range(3)]
    assert len({*found, ANN}) == 4
    assert rows(store, "select distinct type from live_identifiers") == [("customer_id",)]


def test_another_customer_on_the_same_device_is_another_person(receiver: Receiver, store: Store) -> None:
    publish(store, ("customer_id", "web:u1", ANN), ("anonymous_id", "x", ANN))
    assert owner_of(store, receiver, call("identify", anonymousId="x", userId="u2")) != ANN
    assert owner_of(store, receiver, call(anonymousId="x", userId="u1"), first=101) == ANN
    publish(store, ("anonymous_id", "y", BEN))
    assert owner_of(store, receiver, call("identify", anonymousId="y", userId="u3"), first=102) == BEN


def test_an_observation_keeps_the_profile_assigned_by_a_run(receiver: Receiver, store: Store) -> None:
    payload = call("identify", userId="u1", traits={"email": "ann@shop.example"})
    owner_of(store, receiver, payload)
    observation_id = rows(store, "select observation_id from live_members")[0][0]
    member = pl.DataFrame({"observation_id": [observation_id], "profile_id": [CAT], "run_id": ["run_1"]})
    publish(store, ("customer_id", "web:u1", ANN), ("email", "ann@shop.example", BEN), members_upsert=member)
    assert owner_of(store, receiver, payload, first=101) == CAT


def test_one_item_helps_to_resolve_the_next(receiver: Receiver, store: Store) -> None:
    receive(
        receiver,
        call("identify", userId="u1", anonymousId="x"),
        call(anonymousId="x"),
        call("identify", userId="u1", traits={"email": "ann@shop.example"}),
    )
    receive(receiver, mail("click", "ann@shop.example"), source="sendgrid", format="sendgrid")
    assert rows(store, "select count(distinct profile_id), count(*) from live_members") == [(1, 4)]
    assert rows(store, "select count(distinct profile_id) from inbox") == [(1,)]


def test_ids_are_those_that_a_run_would_issue(receiver: Receiver, store: Store) -> None:
    profile_id = owner_of(store, receiver, call("identify", userId="u1"))
    observation_id = rows(store, "select observation_id from live_members")[0][0]
    candidates = open_memory().scalar(
        "select list_transform(range(4), lambda i: 'prf_' || crockford(md5_number($1 || if(i = 0, '', ':' || i))))",
        [observation_id],
    )
    assert [founded_by(observation_id, attempt) for attempt in ATTEMPTS] == candidates
    assert profile_id == candidates[0]


def test_an_issued_id_is_not_issued_again(receiver: Receiver, store: Store) -> None:
    first = founded_by(observation_of(receiver, store, call("identify", userId="u1")))
    with store.write() as connection:
        connection.exec_driver_sql("delete from live_members")
        connection.exec_driver_sql("delete from live_identifiers")
    publish(store, ("email", "other@shop.example", first))
    assert owner_of(store, receiver, call("identify", userId="u1", messageId="2"), first=101) != first


def observation_of(receiver: Receiver, store: Store, payload: Any) -> str:
    receive(receiver, payload)
    return str(rows(store, "select observation_id from live_members")[0][0])


def test_a_new_person_can_be_read_at_once(receiver: Receiver, store: Store) -> None:
    receive(
        receiver,
        call("identify", userId="u1", anonymousId="x", traits={"email": "ann@shop.example", "firstName": "ann"}),
        call(anonymousId="x", timestamp="2026-11-19T11:00:00Z"),
        call("track", event="Email Delivered", userId="u1", properties={"message_id": "m1"}),
        call("track", event="Email Link Clicked", userId="u1", properties={"message_id": "m1"}),
    )
    with store.read() as connection:
        found = lookup(connection, [("email", "ann@shop.example")])
        stored = find_person(connection, found[0].profile_id)
    assert stored is not None
    assert read_person(store, stored.profile_id) == stored
    document = stored.document
    assert document["profile_id"] == stored.profile_id
    assert (document["traits"]["first_name"], document["traits"]["email"]) == ("Ann", "ann@shop.example")
    assert (document["created_at"], document["last_seen_at"]) == (
        "2026-11-19T10:00:00.000Z",
        "2026-11-19T11:00:00.000Z",
    )
    assert document["identity"]["observation_count"] == len(document["identity"]["members"]) == 3
    assert {(one["type"], one["value"]) for one in document["identifiers"]} == {
        ("customer_id", "web:u1"), ("anonymous_id", "x"), ("email", "ann@shop.example"),
    }  # fmt: skip
    assert (document["metrics"]["event_count"], document["metrics"]["email_clicked_count"]) == (4, 1)
    [email] = document["preferences"]
    assert (email["channel"], email["reachable"], email["received_count"], email["response_count"]) == (
        "email",
        True,
        1,
        1,
    )
    [shown] = [one for one in document["trait_evidence"] if one["trait"] == "first_name"]
    assert (shown["is_current"], shown["file"], shown["line_number"]) == (True, "inbox:web", 1)


def test_a_published_profile_shows_later_live_events(receiver: Receiver, store: Store) -> None:
    publish(store, ("email", "ann@shop.example", ANN), ("email", "ben@shop.example", BEN))
    untouched = read_person(store, BEN)
    receive(
        receiver,
        mail("delivered", "ann@shop.example", "old"),
        mail("click", "ann@shop.example", "old", at=NOW + timedelta(minutes=1)),
        mail("delivered", "ann@shop.example", "new"),
        mail("open", "ann@shop.example", "new", sg_machine_open=True),
        mail("unsubscribe", "ann@shop.example", "new"),
        source="sendgrid",
        format="sendgrid",
    )
    stored = read_person(store, ANN)
    assert stored is not None
    document = stored.document
    [email] = document["preferences"]
    assert (email["received_count"], email["response_count"], email["reachable"], email["score"]) == (5, 2, False, None)
    assert (document["metrics"]["event_count"], document["metrics"]["email_clicked_count"]) == (5, 3)
    assert document["metrics"]["last_event_at"] == "2026-11-20 12:01:00+00"
    assert document["last_seen_at"] == "2026-11-20T12:01:00.000Z"
    assert (document["traits"]["first_name"], document["traits"]["email"]) == ("Ann", "ann@shop.example")
    assert [one["segment"] for one in document["segments"]] == ["lapsed"]
    assert read_person(store, BEN) == untouched
    assert read_person(store, CAT) is None


def test_an_opt_out_is_in_force_at_once(receiver: Receiver, store: Store) -> None:
    receive(receiver, mail("unsubscribe", "ann@shop.example"), source="sendgrid", format="sendgrid")
    receive(receiver, mail("spamreport", "ben@shop.example"), source="sendgrid", format="sendgrid", first=10)
    assert rows(store, "select channel, state from consent_ledger order by seq") == [("email", "withdrawn")] * 2
    assert rows(store, "select channel, reason from suppressions") == [("email", "complaint")]


def test_a_locked_store_accepts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdp.store.engine._BUSY_SECONDS", 0.05)
    settings = Settings(home=tmp_path)
    store, other = open_store(settings.effective_store_url), open_store(settings.effective_store_url)
    receiver = Receiver(settings, store)
    with other.write(), pytest.raises(Unavailable):
        receive(receiver, call(anonymousId="a"))
    assert receive(receiver, call(anonymousId="a")).accepted == 1
    receiver.close()
    store.close()
    other.close()


@pytest.mark.slow
def test_concurrent_requests_lose_and_duplicate_nothing(
    receiver: Receiver, store_url: str, store: Store, tmp_path: Path
) -> None:
    other_store = open_store(store_url)
    other = Receiver(Settings(home=tmp_path, threads=2), other_store)

    def send(number: int) -> Receipt:
        payloads = [call(anonymousId=f"a{one % 7}", messageId=str(one)) for one in range(number, number + 10)]
        items = [LiveItem(payload["messageId"], payload) for payload in payloads]
        return (receiver, other)[number % 2].receive("web", items, NOW, format="segment")

    with ThreadPoolExecutor(8) as pool:
        receipts: Sequence[Receipt] = list(pool.map(send, range(0, 200, 5)))
    other.close()
    other_store.close()
    assert sum(receipt.accepted for receipt in receipts) == 205
    assert rows(store, "select count(*), count(distinct message_id) from inbox") == [(205, 205)]
    assert rows(store, "select count(*) from live_engagement") == [(205,)]
    assert rows(store, "select count(*) from live_members") == [(7,)]


def test_landed_live_data_is_removed_and_later_data_stays(receiver: Receiver, store: Store) -> None:
    receive(receiver, call(anonymousId="a"), call(anonymousId="b"))
    with store.read() as connection:
        [batch] = inbox.unlanded(connection)
    receive(receiver, call(anonymousId="a", name="again"), call(anonymousId="c"), first=10)
    landed = batch.rows.select(pl.lit("web").alias("source"), "seq", "received_at")
    elsewhen = landed.with_columns(pl.col("received_at") + timedelta(seconds=1), seq=pl.col("seq") + 2)
    with store.write() as connection:
        live_layer.drop(connection, inbox.mark_landed(connection, pl.concat([landed, elsewhen]), "run_1"))
    assert rows(store, "select message_id, landed_run_id from inbox order by seq") == [
        ("m0", "run_1"), ("m1", "run_1"), ("m10", None), ("m11", None),
    ]  # fmt: skip
    assert rows(store, "select value from live_identifiers order by value") == [("c",)]
    assert rows(store, "select count(*) from live_engagement") == [(2,)]
    with store.write() as connection:
        assert inbox.forget_landed(connection, NOW, most=9) == 0
        assert [inbox.forget_landed(connection, NOW + timedelta(days=1), most=1) for _ in range(3)] == [1, 1, 0]
        assert inbox.has_unlanded(connection)
    assert rows(store, "select message_id from inbox order by seq") == [("m10",), ("m11",)]


def test_an_opt_out_is_heard_whatever_the_clock_says(receiver: Receiver, store: Store) -> None:
    far = (NOW + timedelta(days=800)).isoformat()
    traits = {"email": "ann@example.com"}
    event = call("track", event="Email Unsubscribed", userId="u", timestamp=far, context={"traits": traits})
    assert receive(receiver, event).rejected == []
    [(state, at)] = rows(store, "select state, occurred_at from consent_ledger")
    assert (state, str(at)[:10]) == ("withdrawn", str(NOW)[:10])
