"""Stating consents and reading them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cdp.consent import ContactPoint, Suppression, contact_point_id
from cdp.consent.ledger import keep_contact_points, suppress, verify
from tests.api.service import ANN, BOB, NOBODY, NOW, OLD, Service, assert_problem
from tests.cdp.store_urls import on_sqlite

EMAIL = {"type": "email", "value": " Ann@Example.com "}
ANNS_EMAIL = contact_point_id("email", "ann@example.com")
NEW_EMAIL = contact_point_id("email", "new@example.com")
PHONE = contact_point_id("phone", "+14155550100")
DEVICE = contact_point_id("device_token", "dQw4w9WgXcQ")


class Desk:
    """What a client of the consents says and reads."""

    def __init__(self, service: Service) -> None:
        clerk = service.add_client("clerk", "consents:read", "consents:write")
        self.service, self.client_id = service, clerk.client_id
        self.headers = service.headers(clerk)

    def say(self, **said: Any) -> httpx.Response:
        body = {"channel": "email", "purpose": "marketing", "state": "granted", **said}
        return self.service.http.post("/v1/consents", json=body, headers=self.headers)

    def read(self, **asked: str) -> httpx.Response:
        return self.service.http.get("/v1/consents", params=asked, headers=self.headers)

    def states(self, **asked: str) -> dict[str, str]:
        """`channel[/topic]`: its state."""
        found = self.read(**asked).json()["states"]
        return {each["channel"] + (f"/{each['topic']}" if each["topic"] else ""): each["state"] for each in found}


@pytest.fixture
def desk(service: Service) -> Desk:
    return Desk(service)


@pytest.fixture(scope="module")
def lasting_desk(lasting: Service) -> Desk:
    """For what is refused, and changes nothing."""
    return Desk(lasting)


def test_a_consent_is_answered_with_its_entry(desk: Desk) -> None:
    evidence = {
        **{"notice_id": "n1", "notice_hash": "ab", "method": "checkbox", "user_agent": "Firefox", "message_id": "m1"},
        **{"url": "https://ann:secret@shop.example/join?email=ann@shop.example#x", "ip": "203.0.113.77"},
    }
    response = desk.say(
        identifiers=[EMAIL], basis="consent", occurred_at="2026-06-01T10:00:00+02:00", evidence=evidence
    )
    entry = response.json()
    kept = {**evidence, "url": "https://shop.example/join", "ip": "203.0.113.0/24"}
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert entry == {
        **{"seq": 1, "contact_point_id": ANNS_EMAIL, "contact_point_type": "email", "channel": "email"},
        **{"purpose": "marketing", "topic": None, "state": "granted", "scope": "channel", "basis": "consent"},
        **{"occurred_at": "2026-06-01T08:00:00Z", "recorded_at": "2026-07-01T12:00:00Z", "source": "api"},
        **{"actor": desk.client_id, "evidence": kept, "previous_hash": None, "reached": []},
        **{"entry_id": entry["entry_id"], "entry_hash": entry["entry_hash"]},
    }
    assert "ann@" not in response.text.lower()


def test_an_opt_out_holds_for_the_next_read_of_any_worker(desk: Desk) -> None:
    other = TestClient(create_app(desk.service.settings, clock=desk.service.clock))
    for state in ("granted", "withdrawn", "granted"):
        desk.service.clock.advance(seconds=1)
        assert desk.say(profile_id=ANN, state=state).status_code == 201
        for http in (desk.service.http, other):
            found = http.get("/v1/consents", params={"profile_id": ANN}, headers=desk.headers).json()
            (of_email,) = [each for each in found["states"] if each["channel"] == "email"]
            assert (of_email["state"], of_email["allowed"]) == (state, state == "granted")
    other.close()


def test_a_person_has_a_state_for_every_address(desk: Desk) -> None:
    desk.say(profile_id=ANN, topic="news")
    assert desk.states(profile_id=ANN) == {
        **{"push": "missing", "email": "missing", "email/news": "granted", "sms": "missing", "whatsapp": "missing"}
    }
    found = desk.read(profile_id=ANN).json()
    assert [(entry["topic"], entry["scope"]) for entry in found["entries"]] == [("news", "topic")]
    assert (found["profile_id"], found["as_of"]) == (ANN, "2026-07-01T12:00:00Z")


def test_as_of_tells_what_was_in_force_whenever_it_was_recorded(desk: Desk) -> None:
    desk.say(identifiers=[EMAIL], state="withdrawn", occurred_at="2026-06-10T00:00:00Z")
    desk.say(identifiers=[EMAIL], state="granted", occurred_at="2026-06-01T00:00:00Z")
    for as_of, state, count in (
        ("2026-05-01", "missing", 0),
        ("2026-06-05", "granted", 1),
        ("2026-06-11", "withdrawn", 2),
    ):
        asked = {"contact_point_id": ANNS_EMAIL, "as_of": f"{as_of}T00:00:00Z"}
        assert desk.states(**asked) == {"email": state}
        assert len(desk.read(**asked).json()["entries"]) == count


def test_an_opt_out_from_everything_reaches_every_contact_point(desk: Desk) -> None:
    desk.say(profile_id=ANN)
    desk.say(identifiers=[{"type": "device_token", "value": "dQw4w9WgXcQ"}], channel="push")
    desk.service.clock.advance(seconds=1)
    answer = desk.say(profile_id=ANN, state="withdrawn", scope="all").json()
    assert answer["contact_point_id"] == ANNS_EMAIL
    assert {entry["contact_point_id"] for entry in answer["reached"]} == {PHONE, DEVICE}
    assert set(desk.states(profile_id=ANN).values()) == {"withdrawn"}
    # By itself as well, should it turn out to be somebody else's.
    assert set(desk.states(contact_point_id=PHONE).values()) == {"withdrawn"}


def test_a_retired_id_speaks_for_its_survivor(desk: Desk) -> None:
    assert desk.say(profile_id=OLD).json()["contact_point_id"] == ANNS_EMAIL
    assert desk.read(profile_id=OLD).json()["profile_id"] == ANN


@pytest.mark.parametrize(
    ("said", "points"),
    [
        ({"identifiers": [EMAIL]}, {ANNS_EMAIL}),
        (
            {"identifiers": [{"type": "email", "value": "new@example.com"}]},
            {contact_point_id("email", "new@example.com")},
        ),
        ({"identifiers": [{"type": "phone", "value": "415 555 0100"}], "channel": "sms"}, {PHONE}),
        ({"identifiers": [{"type": "phone", "value": "415 555 0100"}], "channel": "whatsapp"}, {PHONE}),
        ({"identifiers": [{"type": "customer_id", "value": "shopify:1234"}], "channel": "sms"}, {PHONE}),
        ({"identifiers": [{"type": "device_token", "value": "dQw4w9WgXcQ"}]}, {ANNS_EMAIL}),
        ({"profile_id": BOB, "channel": "sms"}, {PHONE}),
        ({"profile_id": BOB, "channel": "web"}, {contact_point_id("customer_id", "shopify:1234")}),
        # Whoever opts out without an address there is known by what names them best.
        ({"profile_id": BOB, "state": "withdrawn"}, {contact_point_id("customer_id", "shopify:1234")}),
    ],
)
def test_a_statement_belongs_to_a_contact_point(desk: Desk, said: dict[str, Any], points: set[str]) -> None:
    answer = desk.say(**said)
    assert answer.status_code == 201, answer.text
    assert {
        answer.json()["contact_point_id"],
        *(entry["contact_point_id"] for entry in answer.json()["reached"]),
    } == points


def test_a_contact_point_is_known_once_it_was_spoken_of(desk: Desk) -> None:
    assert_problem(desk.say(contact_point_id=ANNS_EMAIL), 404, "not_found")
    assert_problem(desk.read(contact_point_id=ANNS_EMAIL), 404, "not_found")
    with desk.service.store.write() as connection:
        keep_contact_points(connection, [ContactPoint("email", "ann@example.com")])
    assert desk.say(contact_point_id=ANNS_EMAIL).status_code == 201
    assert desk.states(contact_point_id=ANNS_EMAIL) == {"email": "granted"}


def test_suppressions_are_shown_beside_consent(desk: Desk) -> None:
    desk.say(profile_id=ANN)
    with desk.service.store.write() as connection:
        suppress(connection, [Suppression(ANNS_EMAIL, "email", "complaint", "sendgrid", NOW, entry_id="e1")], NOW)
    found = desk.read(contact_point_id=ANNS_EMAIL).json()
    assert found["suppressions"] == [
        {
            **{"contact_point_id": ANNS_EMAIL, "channel": "email", "reason": "complaint", "source": "sendgrid"},
            **{"occurred_at": "2026-07-01T12:00:00Z", "lifted_at": None, "lifted_by": None, "entry_id": "e1"},
            "is_active": True,
        }
    ]
    assert [(state["state"], state["suppressed_by"]) for state in found["states"]] == [("granted", ["complaint"])]


def test_a_profiles_consents_are_read_with_its_own_scope(desk: Desk) -> None:
    desk.say(profile_id=ANN)
    response = desk.service.get(f"/v1/profiles/{ANN}/consents", as_of="2026-07-02T00:00:00Z")
    assert response.status_code == 200
    assert response.json() == {**desk.read(profile_id=ANN).json(), "as_of": "2026-07-02T00:00:00Z"}


@pytest.mark.parametrize(
    "said",
    [
        {"profile_id": NOBODY},
        {"profile_id": "nobody@example.com"},
        {"contact_point_id": PHONE},
        {"identifiers": [{"type": "customer_id", "value": "crm:1"}]},
    ],
)
def test_nobody_is_not_found(lasting_desk: Desk, said: dict[str, Any]) -> None:
    assert_problem(lasting_desk.say(**said), 404, "not_found")


@pytest.mark.parametrize("profile_id", [NOBODY, "nobody", "%00"])
def test_an_unknown_profile_has_no_consents(lasting_desk: Desk, profile_id: str) -> None:
    assert_problem(lasting_desk.service.get(f"/v1/profiles/{profile_id}/consents"), 404, "not_found")


@on_sqlite
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"profile_id": ANN, "identifiers": [EMAIL]},
        {"profile_id": ANN, "channel": "fax"},
        {"profile_id": ANN, "state": "yes"},
        {"profile_id": ANN, "scope": "topic"},
        {"profile_id": ANN, "scope": "all", "topic": "news"},
        {"profile_id": ANN, "basis": "because"},
        {"profile_id": ANN, "occurred_at": "2026-06-01T00:00:00"},
        {"profile_id": ANN, "occurred_at": "yesterday"},
        {"profile_id": ANN, "topic": "a\0b"},
        {"profile_id": ANN, "evidence": {"ip": "ann@example.com"}},
        {"profile_id": ANN, "evidence": {"url": "javascript:alert(1)"}},
        {"profile_id": ANN, "evidence": {"email": "ann@example.com"}},
        {"profile_id": ANN, "anything": 1},
        {"contact_point_id": "ann@example.com"},
        {"identifiers": []},
    ],
)
def test_a_wrong_body_is_refused_without_repeating_it(lasting_desk: Desk, said: dict[str, Any]) -> None:
    assert_problem(lasting_desk.say(**said), 422, "invalid_request")


@on_sqlite
@pytest.mark.parametrize(
    "said",
    [
        {"profile_id": ANN, "purpose": "ann@example.com"},
        {"profile_id": ANN, "occurred_at": "2026-07-01T12:02:00Z"},
        {"profile_id": BOB},
        {"identifiers": [EMAIL, {"type": "email", "value": "b@example.com"}]},
    ],
)
def test_what_cannot_be_recorded_is_refused(lasting_desk: Desk, said: dict[str, Any]) -> None:
    assert_problem(lasting_desk.say(**said), 422, "input_refused")


def test_a_clock_that_runs_ahead_does_not_delay_an_opt_out(desk: Desk) -> None:
    ahead = (NOW + timedelta(seconds=30)).isoformat()
    assert (
        desk.say(profile_id=ANN, state="withdrawn", occurred_at=ahead).json()["occurred_at"] == "2026-07-01T12:00:00Z"
    )


@on_sqlite
@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("198.51.100.255", "198.51.100.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:198.51.100.9", "198.51.100.0/24"),
        ("198.51.100.0/24", "198.51.100.0/24"),
    ],
)
def test_an_ip_address_is_truncated(desk: Desk, ip: str, network: str) -> None:
    assert desk.say(profile_id=ANN, evidence={"ip": ip}).json()["evidence"] == {"ip": network}


@on_sqlite
@pytest.mark.parametrize("asked", [{}, {"profile_id": ANN, "contact_point_id": PHONE}])
def test_one_is_asked_for(lasting_desk: Desk, asked: dict[str, str]) -> None:
    assert_problem(lasting_desk.read(**asked), 400, "wrong_use")


@on_sqlite
@pytest.mark.parametrize("asked", [{"contact_point_id": "ann@example.com"}, {"profile_id": ANN, "as_of": "2026-06-01"}])
def test_a_wrong_query_is_refused(lasting_desk: Desk, asked: dict[str, str]) -> None:
    assert_problem(lasting_desk.read(**asked), 422, "invalid_request")


@on_sqlite
def test_scopes(lasting_desk: Desk) -> None:
    service = lasting_desk.service
    reading = service.headers(service.reader)
    assert_problem(service.http.get("/v1/consents", headers=reading), 403, "insufficient_scope")
    body = {"profile_id": ANN, "channel": "email", "purpose": "marketing", "state": "granted"}
    assert_problem(service.http.post("/v1/consents", json=body, headers=reading), 403, "insufficient_scope")
    assert_problem(service.http.post("/v1/consents", json=body), 401, "unauthorised")
    assert_problem(
        service.http.get(f"/v1/profiles/{ANN}/consents", headers=lasting_desk.headers), 403, "insufficient_scope"
    )


def test_what_was_recorded_is_one_chain(desk: Desk) -> None:
    for state in ("granted", "pending", "withdrawn"):
        desk.say(profile_id=ANN, state=state, scope="all" if state == "withdrawn" else None)
    with desk.service.store.read() as connection:
        found = verify(connection)
    assert (found.broken, found.entry_count) == (None, 5)
    assert [entry["seq"] for entry in desk.read(profile_id=ANN).json()["entries"]] == [1, 2, 3, 4, 5]
