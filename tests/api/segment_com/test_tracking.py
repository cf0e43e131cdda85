"""The tracking API from the clients' view: requests, responses and stored events."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api import intake as intake_module
from api.intake import Intake
from api.operations.metrics import Metrics
from api.security.rate_limit import RateLimit
from cdp.access.clients import add_client, remove_client
from cdp.access.write_keys import add_write_key, remove_write_key, rotate_write_key
from cdp.errors import StatementFailed, Unavailable
from cdp.live import MOST_AT_ONCE, LiveItem, Outcome, Receipt, Receiver
from cdp.live.debugging import last_payloads
from cdp.live.tables import inbox
from tests.api.service import NOW, Service, assert_problem

TRACK: dict[str, Any] = {"type": "track", "event": "Song Played", "userId": "u1", "messageId": "m1"}
SUCCESS = {"success": True}
SITE = {"Origin": "https://shop.example.com"}


@dataclass
class Tracker:
    """A service with a write key for the source `web`."""

    service: Service

    def __post_init__(self) -> None:
        with self.service.store.write() as connection:
            self.key = add_write_key(connection, "site", "web", NOW)

    def send(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> httpx.Response:
        """POST a body (JSON unless bytes) with the write key, or `key`, in the way of SDKs."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Authorization": basic(self.key if key is None else key), **headers}
        return self.service.http.post(path, content=content, headers={k: v for k, v in named.items() if v})

    def landed(self) -> list[tuple[str, Any]]:
        """Source and payload of everything stored, in order."""
        kept = sa.select(inbox.c.source, inbox.c.payload).order_by(inbox.c.seq)
        with self.service.store.read() as connection:
            return [(row.source, json.loads(row.payload)) for row in connection.execute(kept)]

    def landed_ids(self) -> list[str]:
        return [payload["messageId"] for _, payload in self.landed()]


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


@pytest.fixture
def tracker(empty_service: Service) -> Tracker:
    return Tracker(empty_service)


@pytest.fixture(scope="module")
def shared_tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    """One tracker for tests that only check responses."""
    service = Service(tmp_path_factory.mktemp("tracking"))
    yield Tracker(service)
    service.close()


SINGLE = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}


@pytest.mark.slow
def test_every_call_at_every_path(tracker: Tracker) -> None:
    paths = [
        (f"/v1/{name}{slash}", call)
        for call, letter in SINGLE.items()
        for name in (call, letter)
        for slash in ("", "/")
    ]
    for path, _ in paths:
        answer = tracker.send(path, {"userId": "u1", "messageId": path})
        assert (answer.status_code, answer.json()) == (200, SUCCESS), path
    for path in ("/v1/batch", "/v1/b", "/v1/import", "/v1/batch/", "/v1/b/", "/v1/import/"):
        answer = tracker.send(path, {"batch": [{**TRACK, "messageId": path}]})
        assert (answer.status_code, answer.json()) == (200, SUCCESS), path
    kept = [(source, payload["messageId"], payload["type"]) for source, payload in tracker.landed()]
    assert kept[: len(paths)] == [("web", path, call) for path, call in paths]
    assert len(kept) == len(paths) + 6


def test_events_get_the_source_of_their_credentials(tracker: Tracker) -> None:
    service, event = tracker.service, {key: value for key, value in TRACK.items() if key != "messageId"}
    with service.store.write() as connection:
        writer = add_client(connection, "writer", ["events:write"], NOW)
        add_write_key(connection, "till", "shop", NOW)
    token = service.headers(writer)
    for number, (body, headers) in enumerate(
        [
            ({}, {}),
            ({"writeKey": tracker.key}, {"Authorization": ""}),
            # Some clients send an empty user and put the key into the body.
            ({"writeKey": tracker.key}, {"Authorization": basic("")}),
            ({}, {"Authorization": f"Bearer {tracker.key}"}),
            ({}, token),
        ]
    ):
        answer = tracker.send("/v1/track", {**event, **body, "messageId": str(number)}, **headers)
        assert answer.status_code == 200, answer.text
    assert [source for source, _ in tracker.landed()] == ["web"] * 4 + ["segment"]
    assert tracker.key not in str(tracker.landed())


def test_invalid_credentials_are_refused(tracker: Tracker) -> None:
    service, event = tracker.service, {**TRACK, "writeKey": tracker.key}
    with service.store.write() as connection:
        gone = add_write_key(connection, "gone", "web", NOW)
        remove_write_key(connection, "gone", NOW)
        old = add_write_key(connection, "turned", "web", NOW)
        new = rotate_write_key(connection, "turned", NOW)
        former = add_client(connection, "former", ["events:write"], NOW)
    left = service.headers(former)
    with service.store.write() as connection:
        remove_client(connection, "former", NOW)
    # The header takes precedence over the body.
    for authorization, code in [
        (basic("wk_unknown"), "invalid_write_key"),
        (basic(gone), "invalid_write_key"),
        (basic(old), "invalid_write_key"),
        ("Basic ***", "invalid_write_key"),
        ("Basic /w==", "invalid_write_key"),
        ("Bearer wk_unknown", "invalid_token"),
        (left["Authorization"], "invalid_token"),
    ]:
        assert_problem(tracker.send("/v1/track", event, Authorization=authorization), 401, code)
    for key in (None, 17, "", ["x"], "wk_unknown", "\ud800"):
        assert_problem(
            tracker.send("/v1/track", {**TRACK, "writeKey": key}, Authorization=""), 401, "invalid_write_key"
        )
    reader = service.headers(service.reader)
    assert_problem(tracker.send("/v1/track", event, **reader), 403, "insufficient_scope")
    assert tracker.landed() == []
    assert tracker.send("/v1/track", event, key=new).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "text/plain", "application/x-www-form-urlencoded", "x"]
)
def test_any_content_type_and_gzip_are_accepted(shared_tracker: Tracker, content_type: str) -> None:
    for body in (json.dumps(TRACK).encode(), gzip.compress(json.dumps(TRACK).encode())):
        for encoding in ("", "gzip"):
            answer = shared_tracker.send(
                "/v1/track", body, **{"Content-Type": content_type, "Content-Encoding": encoding}
            )
            assert answer.json() == SUCCESS


LARGE = {**TRACK, "properties": {"text": "x" * 33_000}}
REFUSED: dict[str, tuple[str, Any, int]] = {
    "empty": ("/v1/track", b"", 400),
    "not JSON": ("/v1/track", b"not json", 400),
    "no text": ("/v1/track", b"\xff\xfe\xff", 400),
    "deep nesting": ("/v1/track", b"[" * 200_000, 400),
    "NaN": ("/v1/track", b'{"event": "x", "userId": "u1", "value": NaN}', 400),
    "infinite number": ("/v1/track", b'{"event": "x", "userId": "u1", "value": 1e400}', 400),
    "lone surrogate": ("/v1/track", b'{"event": "x", "userId": "\\ud800"}', 400),
    "a list": ("/v1/track", b"[]", 400),
    "cut gzip": ("/v1/track", gzip.compress(b"{}")[:-4], 400),
    "large event": ("/v1/track", LARGE, 413),
    "no batch": ("/v1/batch", {}, 400),
    "batch of text": ("/v1/batch", {"batch": "track"}, 400),
    "batch in a batch": ("/v1/batch", {"batch": [[TRACK]]}, 400),
    "large event in a batch": ("/v1/batch", {"batch": [LARGE]}, 413),
    "too many events": ("/v1/batch", {"batch": [TRACK] * 2_501}, 413),
    "large body": ("/v1/batch", b" " * 600_000, 413),
    "large body in gzip": ("/v1/batch", gzip.compress(b" " * 600_000), 413),
    "large import in gzip": ("/v1/import", gzip.compress(b" " * 5_000_000), 413),
    "gzip bomb": ("/v1/batch", gzip.compress(b"0" * 200_000_000, 1), 413),
}


@pytest.mark.parametrize(("path", "body", "status"), REFUSED.values(), ids=REFUSED)
def test_refusals_have_a_code_and_a_message(shared_tracker: Tracker, path: str, body: Any, status: int) -> None:
    """One SDK retries a batch eleven times after an error without `code` or `message`."""
    code = {400: "invalid_payload", 413: "payload_too_large"}[status]
    before = shared_tracker.landed()
    assert_problem(shared_tracker.send(path, body), status, code)
    assert shared_tracker.landed() == before


def test_reading_stops_at_the_limit(tracker: Tracker) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while read < 100_000_000:
            read += 65_536
            yield b" " * 65_536

    answer = tracker.service.http.post("/v1/batch", content=endless(), headers={"Authorization": basic(tracker.key)})
    assert_problem(answer, 413, "payload_too_large")
    declared = tracker.send("/v1/batch", b"{}", **{"Content-Length": "100000000"})
    assert_problem(declared, 413, "payload_too_large")


@pytest.mark.slow
def test_requests_at_the_limits_are_accepted(tracker: Tracker) -> None:
    full = {"batch": [{**TRACK, "messageId": str(number)} for number in range(2_500)]}
    assert tracker.send("/v1/batch", full).json() == SUCCESS
    large = {**TRACK, "messageId": "large", "properties": {"text": "x" * 32_000}}
    assert tracker.send("/v1/track", large).json() == SUCCESS
    history = {"batch": [{**large, "messageId": f"h{number}"} for number in range(100)]}
    assert_problem(tracker.send("/v1/batch", history), 413, "payload_too_large")
    assert tracker.send("/v1/import", history).json() == SUCCESS
    assert len(tracker.landed()) == 2_601


def test_invalid_events_do_not_affect_the_rest_of_the_batch(tracker: Tracker) -> None:
    valid = [{**TRACK, "messageId": f"valid {number}"} for number in range(3)]
    invalid = [
        *(None, "track", {**LARGE, "messageId": "large"}, {**TRACK, "messageId": "nan", "value": float("nan")}),
        {**TRACK, "messageId": "half a pair", "event": "\ud800"},
        {**TRACK, "messageId": "nobody", "userId": None},
        {**TRACK, "messageId": "long", "userId": "u" * 10_000, "anonymousId": "a" * 10_000},
        {**TRACK, "messageId": "no type", "type": None},
        {**TRACK, "messageId": "nul", "userId": "\0"},
        {**TRACK, "messageId": "m" * 10_000},
    ]
    mixed = {"batch": [valid[0], *invalid, *valid[1:]]}
    for _ in range(2):
        assert tracker.send("/v1/batch", mixed).json() == SUCCESS
    kept = [payload for _, payload in tracker.landed()]
    assert len(kept) == len(invalid) + 3
    assert [payload["messageId"] for payload in kept if isinstance(payload, dict)][:1] == ["valid 0"]
    assert sum(isinstance(payload, str) for payload in kept) == 5


@pytest.mark.parametrize(
    "value",
    ["[" * 3_000 + "]" * 3_000, '{"a":' * 3_000 + '"]"' + "}" * 3_000],
    ids=["lists", "objects"],
)
def test_an_event_that_is_too_deep_is_rejected_alone(tracker: Tracker, value: str) -> None:
    for path in ("/v1/batch", "/v1/import", "/beacon/v1/batch"):
        good, bad, last = ({**TRACK, "messageId": f"{path} {number}", "properties": "here"} for number in range(3))
        body = json.dumps({"batch": [good, bad, last]}).replace('2", "properties": "here"', '2"')
        body = body.replace('0", "properties": "here"', '0"').replace('"here"', value)
        strict = tracker.send(f"{path}?strict=true", body.encode())
        assert_problem(strict, 400, "invalid_events")
        assert "Event 1: malformed (not an object" in strict.json()["detail"]
        for sent in (body.encode(), gzip.compress(body.encode())):
            assert tracker.send(path, sent).json() == SUCCESS
    with tracker.service.store.read() as connection:
        seen = last_payloads(connection, 10)
    assert [one.reason for one in seen if isinstance(json.loads(one.payload), dict)] == [None] * 6
    # Without an id that could be read, it is known again by its content, whatever the path.
    assert [one.reason for one in seen if isinstance(json.loads(one.payload), str)] == ["malformed"] * 3


@pytest.mark.parametrize("value", [b"9" * 5_000, b"9" * 400, b'"Z\xfcrich"'], ids=["too long", "infinite", "Latin-1"])
def test_a_value_that_nobody_can_read_does_not_cost_the_rest_of_the_batch(tracker: Tracker, value: bytes) -> None:
    body = json.dumps({"batch": [{**TRACK, "messageId": name, "value": "here"} for name in ("first", "bad", "last")]})
    first, bad, last = body.encode().split(b'"here"', 2)
    assert tracker.send("/v1/batch", first + b"1" + bad + value + last.replace(b'"here"', b"1")).json() == SUCCESS
    kept = {payload["messageId"]: payload for _, payload in tracker.landed()}
    assert list(kept) == ["first", "bad", "last"]
    if b"rich" in value:
        assert kept["bad"]["value"] == "Z\ufffdrich"


def test_ids_that_lost_a_letter_on_their_way_are_not_one_persons(tracker: Tracker) -> None:
    for letter, email in ((b"\xff", b"ann@mail.example"), (b"\xfe", b"bob@mail.example")):
        body = b'{"userId": "k' + letter + b'", "traits": {"email": "' + email + b'"}}'
        assert tracker.send("/v1/identify", body).json() == SUCCESS
    with tracker.service.store.read() as connection:
        people = connection.execute(sa.select(inbox.c.profile_id)).scalars().all()
    assert len(set(people)) == 2 and None not in people


def test_resending_a_batch_changes_nothing(tracker: Tracker) -> None:
    others = [{**TRACK, "messageId": f"song {number}"} for number in range(3)]
    for sent_at in ("2026-07-01T12:00:00Z", "2026-07-01T12:00:05Z"):
        envelope = {"batch": [*others, TRACK, TRACK], "sentAt": sent_at}
        assert tracker.send("/v1/batch", envelope).json() == SUCCESS
    assert len(tracker.landed()) == 4
    # Message ids are separate for each source.
    with tracker.service.store.write() as connection:
        till = add_write_key(connection, "till", "shop", NOW)
    assert tracker.send("/v1/track", TRACK, key=till).json() == SUCCESS
    assert [source for source, _ in tracker.landed()] == ["web"] * 4 + ["shop"]


def test_pages_of_any_site_may_send(shared_tracker: Tracker) -> None:
    http = shared_tracker.service.http
    preflight_headers = {
        **SITE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    for path in ("/v1/t", "/v1/b", "/v1/batch", "/v1/track/", "/beacon/v1/batch", "/beacon/v1/batch/"):
        preflight = http.options(path, headers=preflight_headers)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "content-type"
    sent = shared_tracker.send("/v1/t", {**TRACK, "writeKey": shared_tracker.key}, Authorization="", **SITE)
    assert (sent.json(), sent.headers["access-control-allow-origin"]) == (SUCCESS, "*")
    # If a page cannot read an error, it assumes a lost connection and retries.
    refused = shared_tracker.send("/v1/t", b"?", **SITE)
    assert_problem(refused, 400, "invalid_payload")
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in http.get(f"/v1/profiles/{'x' * 30}", headers=SITE).headers
    assert http.options("/v1/profiles/lookup", headers=preflight_headers).status_code == 405


def test_analytics_js_gets_settings_that_point_here(shared_tracker: Tracker) -> None:
    http = shared_tracker.service.http
    answer = http.get(f"/v1/projects/{shared_tracker.key}/settings", headers=SITE)
    assert answer.headers["access-control-allow-origin"] == "*"
    settings = answer.json()
    destination = settings["integrations"]["Segment.io"]
    assert destination == {"apiKey": shared_tracker.key, "apiHost": "cdp.example.com/v1", "protocol": "https"}
    assert settings["metrics"]["sampleRate"] == 0
    assert_problem(http.get("/v1/projects/wk_unknown/settings"), 404, "not_found")
    assert shared_tracker.send("/v1/m", {"series": []}, Authorization="").json() == SUCCESS


def test_rudderstack_sdks_fetch_their_settings(shared_tracker: Tracker) -> None:
    http, key = shared_tracker.service.http, shared_tracker.key
    by_header = http.get("/sourceConfig/?p=npm&v=3.34.1", headers={**SITE, "Authorization": basic(key)})
    assert by_header.headers["access-control-allow-origin"] == "*"
    source = by_header.json()["source"]
    assert (source["id"], source["enabled"], source["destinations"]) == ("web", True, [])
    assert source["config"]["statsCollection"]["errors"]["enabled"] is False
    assert http.get("/sourceConfig", params={"writeKey": key}).json() == by_header.json()
    for wrong in ({}, {"writeKey": "wk_unknown"}):
        assert_problem(http.get("/sourceConfig/", params=wrong), 401, "invalid_write_key")


def test_a_beacon_carries_its_key_in_the_url(tracker: Tracker) -> None:
    body = {"batch": [TRACK]}
    sent = tracker.send("/beacon/v1/batch", body, key="", Authorization="")
    assert_problem(sent, 401, "invalid_write_key")
    url = f"/beacon/v1/batch?writeKey={tracker.key}"
    sent = tracker.send(url, body, Authorization="", **SITE, **{"Content-Type": "text/plain"})
    assert (sent.json(), sent.headers["access-control-allow-origin"]) == (SUCCESS, "*")
    assert tracker.landed_ids() == ["m1"]


def test_without_analytics_js_the_snippet_is_told_what_to_do(shared_tracker: Tracker) -> None:
    http = shared_tracker.service.http
    answer = http.get(f"/analytics.js/v1/{shared_tracker.key}/analytics.min.js", headers=SITE)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "CDP_ANALYTICS_JS" in answer.text
    assert_problem(http.get("/analytics.js/v1/wk_unknown/analytics.min.js"), 404, "not_found")


def test_overload_says_when_to_retry(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_WAITING_BYTES", 10)
    overloaded = tracker.send("/v1/track", TRACK)
    assert_problem(overloaded, 429, "overloaded")
    assert overloaded.headers["retry-after"].isdecimal()
    monkeypatch.undo()
    monkeypatch.setattr(Receiver, "receive", failing(Unavailable("locked")))
    unavailable = tracker.send("/v1/track", TRACK)
    assert_problem(unavailable, 503, "unavailable")
    assert unavailable.headers["retry-after"].isdecimal()
    monkeypatch.undo()
    assert tracker.send("/v1/track", TRACK).json() == SUCCESS
    assert tracker.landed_ids() == ["m1"]


def test_concurrent_requests_lose_nothing(tracker: Tracker) -> None:
    async def send_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(tracker.service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://cdp", auth=(tracker.key, "")) as http:
            batches = [[{**TRACK, "messageId": f"{number}-{each}"} for each in range(20)] for number in range(40)]
            return await asyncio.gather(*(http.post("/v1/batch", json={"batch": batch}) for batch in batches))

    assert {answer.status_code for answer in asyncio.run(send_all())} == {200}
    assert sorted(tracker.landed_ids()) == sorted(f"{number}-{each}" for number in range(40) for each in range(20))


# --- group commit -------------------------------------------------------------------------------------------


def failing(error: Exception) -> Any:
    def receive(*_arguments: object, **_named: object) -> None:
        raise error

    return receive


@dataclass
class SlowReceiver(Receiver):
    """Blocks, so that requests pile up; fails for items whose id is in `errors`."""

    errors: dict[str, Exception] = field(default_factory=dict)
    taken: list[tuple[str, list[str]]] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def receive(
        self, source_name: str, items: Sequence[LiveItem], received_at: datetime, *, format: str | None = None
    ) -> Receipt:
        self.started.set()
        assert self.go_on.wait(10)
        for item in items:
            if item.message_id in self.errors:
                raise self.errors[item.message_id]
        self.taken.append((source_name, [item.message_id for item in items]))
        return Receipt([Outcome(is_new=True)] * len(items))


def outcomes(receiver: SlowReceiver, requests: list[tuple[str, str]]) -> list[str]:
    """The outcomes of requests (source, message id) that all wait while the first is being received."""
    intake = Intake(receiver, Metrics())

    async def send(source: str, message_id: str) -> str:
        try:
            await intake.receive(source, [LiveItem(message_id, "{}")], NOW)
        except (Unavailable, StatementFailed) as error:
            return error.code
        return "durable"

    async def send_all() -> list[str]:
        first = asyncio.create_task(send("web", "first"))
        while not receiver.started.is_set():
            await asyncio.sleep(0.001)
        found = [asyncio.create_task(send(*request)) for request in requests]
        await asyncio.sleep(0.01)
        receiver.go_on.set()
        assert await first == "durable"
        return list(await asyncio.gather(*found))

    return asyncio.run(send_all())


def test_waiting_requests_share_a_transaction() -> None:
    receiver = SlowReceiver()
    assert outcomes(receiver, [("web", "a"), ("shop", "b"), ("web", "c"), ("web", "d")]) == ["durable"] * 4
    assert {(source, *sorted(ids)) for source, ids in receiver.taken} == {
        ("web", "first"),
        ("web", "a", "c", "d"),
        ("shop", "b"),
    }


def test_many_items_are_stored_in_parts_between_which_others_have_their_turn() -> None:
    receiver = SlowReceiver()
    intake = Intake(receiver, Metrics())
    many = [LiveItem(f"bulk-{number}", "{}") for number in range(3 * MOST_AT_ONCE)]

    async def send_all() -> None:
        bulk = asyncio.create_task(intake.receive("sendgrid", many, NOW, format="sendgrid"))
        while not receiver.started.is_set():
            await asyncio.sleep(0.001)
        single = asyncio.create_task(intake.receive("web", [LiveItem("single", "{}")], NOW))
        await asyncio.sleep(0.01)
        receiver.go_on.set()
        assert (await single).accepted == 1
        assert (await bulk).accepted == len(many)

    asyncio.run(send_all())
    sizes = [(source, len(ids)) for source, ids in receiver.taken]
    assert max(size for _, size in sizes) == MOST_AT_ONCE
    # It waited for the part that was at work, and at most for one more.
    assert ("web", 1) in sizes[:3]
    assert sizes[-1] == ("sendgrid", MOST_AT_ONCE)
    assert [one for source, ids in receiver.taken for one in ids if source == "sendgrid"] == [
        item.message_id for item in many
    ]


def test_admission_counts_items_too(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_WAITING_ITEMS", 2)
    three = {"batch": [{**TRACK, "messageId": str(number)} for number in range(3)]}
    assert_problem(tracker.send("/v1/batch", three), 429, "overloaded")
    assert tracker.send("/v1/track", TRACK).json() == SUCCESS


def test_a_locked_store_fails_all_waiting_requests() -> None:
    receiver = SlowReceiver({"a": Unavailable("locked")})
    assert outcomes(receiver, [("web", "a"), ("web", "b")]) == ["unavailable"] * 2


def test_a_defect_fails_only_its_own_request_and_the_leading_one() -> None:
    receiver = SlowReceiver({"bad": StatementFailed("mapping", "Kind")})
    found = outcomes(receiver, [("web", "bad"), *(("web", str(number)) for number in range(5))])
    assert found[0] == "defect"
    assert found.count("durable") >= 4
    kept = [message_id for _, ids in receiver.taken for message_id in ids]
    assert sorted(kept) == sorted(["first", *(str(number) for number in range(5) if found[number + 1] == "durable")])


@pytest.mark.parametrize("route", ["/v1/batch", "/v1/import"])
def test_what_events_share_is_bounded_before_it_is_multiplied(tracker: Tracker, route: str) -> None:
    shared = {"a": "x" * 400_000}
    body = {"batch": [{**TRACK, "messageId": str(number)} for number in range(500)], "context": shared}
    assert_problem(tracker.send(route, body), 413, "payload_too_large")
    assert tracker.landed() == []


def test_a_call_by_token_counts_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = service.headers(service.everything)
    taken: list[str] = []
    monkeypatch.setattr(RateLimit, "take", lambda _self, client, *_: taken.append(client) or {})
    body = {"type": "track", "userId": "u", "event": "Viewed", "messageId": "m"}
    assert service.http.post("/v1/track", json=body, headers=headers).status_code == 200
    assert taken == [service.everything.client_id]
