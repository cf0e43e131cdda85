"""The debugger: what became of payloads, without personal data, for those who may see it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cdp.access.request_log import LoggedRequest, append_requests
from cdp.access.write_keys import add_write_key
from cdp.ids import random_id
from tests.api.service import NOW, Service, assert_problem

EMAIL, PHONE, NAME = "zoe.marker@example.com", "+41791234567", "Zoë Marker-Name"
IDENTIFY = {
    "type": "identify",
    "userId": "u-marker",
    "messageId": "m1",
    "traits": {"email": EMAIL, "phone": PHONE, "name": NAME, EMAIL: True, "born": "1990-05-17", "tel": 41791234567},
}
TRACK = {"type": "track", "event": "Song Played", "userId": "u1", "messageId": "m2"}
NOBODY = {"type": "track", "event": "Song Played", "messageId": "m3"}


@pytest.fixture
def key(service: Service) -> str:
    with service.store.write() as connection:
        return add_write_key(connection, "site", "web", NOW)


def send(service: Service, key: str, *events: Any, strict: str = "") -> Any:
    return service.http.post(f"/v1/batch{strict}", json={"batch": events}, auth=(key, ""))


def debug(service: Service, *scopes: str, **parameters: Any) -> Any:
    client = service.add_client(f"debugger {random_id('test')}", "debug:read", *scopes)
    response = service.http.get("/v1/debug/events", params=parameters, headers=service.headers(client))
    assert response.status_code == 200, response.text
    return response.json()


def test_each_payload_is_shown_with_what_became_of_it(service: Service, key: str) -> None:
    send(service, key, IDENTIFY, TRACK, NOBODY)
    send(service, key, TRACK)
    send(service, key, TRACK)
    found = debug(service)["events"]
    assert [(one["message_id"], one["outcome"], one["reason"], one["detail"], one["duplicates"]) for one in found] == [
        ("m3", "rejected", "no_identifier", "userId, anonymousId", 0),
        ("m2", "accepted", None, None, 2),
        ("m1", "accepted", None, None, 0),
    ]
    assert {(one["source"], one["format"], one["run_id"]) for one in found} == {("web", "segment", None)}
    body, reader = {"identifiers": [{"type": "email", "value": EMAIL}]}, service.headers(service.reader)
    person = service.http.post("/v1/profiles/lookup", json=body, headers=reader).json()
    assert found[2]["profile_id"] == person["profile_id"]
    assert found[0]["profile_id"] is None


def test_the_last_word_on_a_repeat_of_a_rejected_payload_is_the_same(service: Service, key: str) -> None:
    for _ in range(2):
        send(service, key, NOBODY)
    [one] = debug(service)["events"]
    assert (one["outcome"], one["reason"], one["duplicates"]) == ("rejected", "no_identifier", 1)


def test_no_personal_data_is_shown_by_default(service: Service, key: str) -> None:
    hostile = [
        IDENTIFY,
        {**TRACK, "messageId": f"order of {EMAIL}", "event": f"Mail to {EMAIL}", "properties": {"to": [PHONE]}},
        {**TRACK, "messageId": PHONE, "type": "track", "context": {"traits": {"name": NAME}, "ip": "203.0.113.9"}},
        f"{EMAIL} {PHONE}",
    ]
    send(service, key, *hostile)
    text = json.dumps(debug(service), ensure_ascii=False)
    for secret in (EMAIL, PHONE, PHONE[1:], NAME, "Marker", "u-marker", "1990-05-17", "203.0.113.9"):
        assert secret not in text
    # What is needed to find a mistake is there.
    shown = debug(service, limit=4)["events"][-1]["payload"]
    assert shown["type"] == "identify"
    assert shown["messageId"] == "m1"
    assert shown["receivedBy"] == {"name": "site", "isClaim": True}
    assert shown["traits"]["email"] == "e-mail address"
    assert shown["traits"]["phone"] == "phone number"
    assert shown["traits"]["born"] == "date"
    assert shown["traits"]["tel"] == "number"


def test_values_need_the_right_to_read_profiles(service: Service, key: str) -> None:
    send(service, key, IDENTIFY)
    [one] = debug(service, "profiles:read", values=True)["events"]
    assert one["payload"]["traits"]["email"] == EMAIL
    client = service.add_client("blind", "debug:read")
    refused = service.http.get("/v1/debug/events?values=true", headers=service.headers(client))
    assert_problem(refused, 403, "insufficient_scope")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"outcome": "rejected"}, ["m3"]),
        ({"outcome": "accepted"}, ["m2", "m1"]),
        ({"outcome": "duplicate"}, ["m2"]),
        ({"source": "web"}, ["m3", "m2", "m1"]),
        ({"source": "app"}, []),
    ],
)
def test_payloads_are_chosen(service: Service, key: str, asked: dict[str, str], expected: list[str]) -> None:
    send(service, key, IDENTIFY, TRACK, NOBODY)
    send(service, key, TRACK)
    assert [one["message_id"] for one in debug(service, **asked)["events"]] == expected


def test_pages_go_back_in_time(service: Service, key: str) -> None:
    send(service, key, *({**TRACK, "messageId": f"m{number}"} for number in range(5)))
    pages, cursor = [], ""
    while cursor is not None:
        page = debug(service, limit=2, cursor=cursor)
        pages.append([one["message_id"] for one in page["events"]])
        cursor = page["next_cursor"]
    assert pages == [["m4", "m3"], ["m2", "m1"], ["m0"]]
    headers = service.headers(service.everything)
    for cursor in (
        "x",
        base64.urlsafe_b64encode(b"9" * 30).decode().rstrip("="),
        base64.urlsafe_b64encode(b"0").decode(),
    ):
        assert_problem(service.http.get(f"/v1/debug/events?cursor={cursor}", headers=headers), 400, "wrong_use")


@pytest.mark.parametrize("call", ["track", "batch"])
def test_strict_refuses_at_once_and_stores_nothing(service: Service, key: str, call: str) -> None:
    body = {"batch": [TRACK, NOBODY]} if call == "batch" else NOBODY
    for strict in ("true", "1"):
        refused = service.http.post(f"/v1/{call}?strict={strict}", json=body, auth=(key, ""))
        assert_problem(refused, 400, "invalid_events")
        assert f"Event {int(call == 'batch')}: no_identifier (userId, anonymousId)" in refused.json()["message"]
    assert debug(service)["events"] == []
    assert service.http.post(f"/v1/{call}", json=body, auth=(key, "")).status_code == 200


def test_strict_stores_what_is_valid(service: Service, key: str) -> None:
    assert send(service, key, TRACK, strict="?strict=true").status_code == 200
    assert [one["outcome"] for one in debug(service)["events"]] == ["accepted"]


def test_strict_says_what_a_write_key_may_not(service: Service, key: str) -> None:
    granting = {**TRACK, "event": "Email Resubscribed"}
    refused = send(service, key, granting, strict="?strict=true")
    assert_problem(refused, 400, "invalid_events")
    assert "not_authorised" in refused.json()["message"]


def test_requests_that_were_refused_as_a_whole_are_shown(service: Service) -> None:
    requests = [
        LoggedRequest(NOW, "site", "POST", "/v1/track", 200, 1.0, None),
        LoggedRequest(NOW, None, "POST", "/v1/track", 401, 1.0, "invalid_write_key"),
    ]
    with service.store.write() as connection:
        append_requests(connection, requests)
    assert debug(service)["refused_requests"] == [
        {
            "requested_at": NOW.isoformat(),
            "client_id": None,
            "method": "POST",
            "route": "/v1/track",
            "status": 401,
            "code": "invalid_write_key",
        }
    ]


def test_the_search_is_bounded(service: Service, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdp.live.debugging.SEARCHED_PAYLOADS", 3)
    send(service, key, NOBODY, *({**TRACK, "messageId": f"m{number}"} for number in range(3)))
    assert debug(service, outcome="rejected")["events"] == []
    assert len(debug(service)["events"]) == 3
