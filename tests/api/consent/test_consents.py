"""Recording consents and reading them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cdp.access.clients import NewClient, add_client
from cdp.consent import ContactPoint, Suppression, contact_point_id
from cdp.consent.ledger import keep_contact_points, suppress, verify
from tests.api.service import ANN, BOB, NOBODY, NOW, OLD, Service, assert_problem

EMAIL = {"type": "email", "value": " Ann@Example.com "}
ANNS_EMAIL = contact_point_id("email", "ann@example.com")
NEW_EMAIL = contact_point_id("email", "new@example.com")
PHONE = contact_point_id("phone", "+14155550100")
DEVICE = contact_point_id("device_token", "dQw4w9WgXcQ")
CHAT = contact_point_id("telegram_chat", "1111111")


@pytest.fixture
def clerk(service: Service) -> NewClient:
    with service.store.write() as connection:
        return add_client(connection, "clerk", ["consents:read", "consents:write"], NOW)


class ConsentClient:
    """A client of the consent routes."""

    def __init__(self, service: Service, clerk: NewClient) -> None:
        self.service, self.client_id = service, clerk.client_id
        self.headers = service.headers(clerk)

    def record(self, **fields: Any) -> httpx.Response:
        body = {"channel": "email", "purpose": "marketing", "state": "granted", **fields}
        return self.service.http.post("/v1/consents", json=body, headers=self.headers)

    def rehearse(self, **fields: Any) -> httpx.Response:
        body = {"channel": "email", "purpose": "marketing", "state": "granted", **fields}
        url = "/v1/consents?dry_run=true"
        return self.service.http.post(url, json=body, headers={**self.headers, "Idempotency-Key": "k1"})

    def read(self, **parameters: str) -> httpx.Response:
        return self.service.http.get("/v1/consents", params=parameters, headers=self.headers)

    def states(self, **parameters: str) -> dict[str, str]:
        """The state of each `channel[/topic]`."""
        found = self.read(**parameters).json()["states"]
        return {each["channel"] + (f"/{each['topic']}" if each["topic"] else ""): each["state"] for each in found}


@pytest.fixture
def consents(service: Service, clerk: NewClient) -> ConsentClient:
    return ConsentClient(service, clerk)


def test_recording_a_consent_returns_its_entry(consents: ConsentClient) -> None:
    evidence = {
        **{"notice_id": "n1", "notice_hash": "ab", "method": "checkbox", "user_agent": "Firefox", "message_id": "m1"},
        **{"url": "https://ann:secret@shop.example/join?email=ann@shop.example#x", "ip": "203.0.113.77"},
    }
    response = consents.record(
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
        **{"actor": consents.client_id, "evidence": kept, "previous_hash": None, "reached": []},
        **{"entry_id": entry["entry_id"], "entry_hash": entry["entry_hash"]},
    }
    assert "ann@" not in response.text.lower()


@pytest.mark.parametrize(
    "fields",
    [
        {"identifiers": [EMAIL], "evidence": {"method": "checkbox"}, "occurred_at": "2026-06-01T10:00:00+02:00"},
        {"profile_id": ANN, "state": "withdrawn", "scope": "all"},
    ],
    ids=["grant", "opt-out from everything"],
)
def test_a_dry_run_answers_what_would_be_recorded_and_records_nothing(
    consents: ConsentClient, fields: dict[str, Any]
) -> None:
    rehearsed = consents.rehearse(**fields)
    assert rehearsed.status_code == 200
    assert consents.read(contact_point_id=ANNS_EMAIL).json().get("entries", []) == []
    real = consents.record(**fields).json()
    recorded = ("seq", "entry_id", "recorded_at", "previous_hash", "entry_hash")
    nothing = dict.fromkeys(recorded)
    assert rehearsed.json() == {**real, **nothing, "reached": [{**one, **nothing} for one in real["reached"]]}


def test_a_dry_run_refuses_what_would_be_refused(consents: ConsentClient) -> None:
    assert_problem(consents.rehearse(profile_id="prf_unknown"), 404, "not_found")
    assert_problem(consents.rehearse(identifiers=[EMAIL], purpose="nonsense"), 422, "input_refused")
    assert_problem(consents.rehearse(identifiers=[EMAIL], occurred_at="2036-01-01T00:00:00Z"), 422, "input_refused")


@pytest.mark.slow
def test_an_opt_out_applies_to_the_next_read_on_any_worker(consents: ConsentClient) -> None:
    other = TestClient(create_app(consents.service.settings, clock=consents.service.clock))
    for state in ("granted", "withdrawn", "granted"):
        consents.service.clock.advance(seconds=1)
        assert consents.record(profile_id=ANN, state=state).status_code == 201
        for http in (consents.service.http, other):
            found = http.get("/v1/consents", params={"profile_id": ANN}, headers=consents.headers).json()
            (of_email,) = [each for each in found["states"] if each["channel"] == "email"]
            assert (of_email["state"], of_email["allowed"]) == (state, state == "granted")
    other.close()


def test_a_person_has_a_state_for_every_address(consents: ConsentClient) -> None:
    consents.record(profile_id=ANN, topic="news")
    assert consents.states(profile_id=ANN) == {
        **{"push": "missing", "email": "missing", "email/news": "granted", "sms": "missing", "whatsapp": "missing"},
        "telegram": "missing",
    }
    found = consents.read(profile_id=ANN).json()
    assert [(entry["topic"], entry["scope"]) for entry in found["entries"]] == [("news", "topic")]
    assert (found["profile_id"], found["as_of"]) == (ANN, "2026-07-01T12:00:00Z")


def test_as_of_gives_the_state_by_time_of_occurrence(consents: ConsentClient) -> None:
    consents.record(identifiers=[EMAIL], state="withdrawn", occurred_at="2026-06-10T00:00:00Z")
    consents.record(identifiers=[EMAIL], state="granted", occurred_at="2026-06-01T00:00:00Z")
    for as_of, state, count in (
        ("2026-05-01", "missing", 0),
        ("2026-06-05", "granted", 1),
        ("2026-06-11", "withdrawn", 2),
    ):
        parameters = {"contact_point_id": ANNS_EMAIL, "as_of": f"{as_of}T00:00:00Z"}
        assert consents.states(**parameters) == {"email": state}
        assert len(consents.read(**parameters).json()["entries"]) == count


def test_an_opt_out_from_everything_applies_to_every_contact_point(consents: ConsentClient) -> None:
    consents.record(profile_id=ANN)
    consents.record(identifiers=[{"type": "device_token", "value": "dQw4w9WgXcQ"}], channel="push")
    consents.service.clock.advance(seconds=1)
    answer = consents.record(profile_id=ANN, state="withdrawn", scope="all").json()
    assert answer["contact_point_id"] == ANNS_EMAIL
    assert {entry["contact_point_id"] for entry in answer["reached"]} == {PHONE, DEVICE, CHAT}
    assert set(consents.states(profile_id=ANN).values()) == {"withdrawn"}
    # Also for the contact point alone, in case it turns out to belong to someone else.
    assert set(consents.states(contact_point_id=PHONE).values()) == {"withdrawn"}


def test_a_retired_id_stands_for_its_survivor(consents: ConsentClient) -> None:
    assert consents.record(profile_id=OLD).json()["contact_point_id"] == ANNS_EMAIL
    assert consents.read(profile_id=OLD).json()["profile_id"] == ANN


@pytest.mark.parametrize(
    ("fields", "points"),
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
        ({"identifiers": [{"type": "telegram_chat", "value": " 1111111"}], "channel": "telegram"}, {CHAT}),
        ({"profile_id": BOB, "channel": "sms"}, {PHONE}),
        ({"profile_id": BOB, "channel": "web"}, {contact_point_id("customer_id", "shopify:1234")}),
        # An opt-out without an address of the channel belongs to the best other identifier.
        ({"profile_id": BOB, "state": "withdrawn"}, {contact_point_id("customer_id", "shopify:1234")}),
    ],
)
def test_a_statement_belongs_to_a_contact_point(
    consents: ConsentClient, fields: dict[str, Any], points: set[str]
) -> None:
    answer = consents.record(**fields)
    assert answer.status_code == 201, answer.text
    assert {
        answer.json()["contact_point_id"],
        *(entry["contact_point_id"] for entry in answer.json()["reached"]),
    } == points


def test_a_contact_point_is_unknown_until_it_is_stored(consents: ConsentClient) -> None:
    assert_problem(consents.record(contact_point_id=ANNS_EMAIL), 404, "not_found")
    assert_problem(consents.read(contact_point_id=ANNS_EMAIL), 404, "not_found")
    with consents.service.store.write() as connection:
        keep_contact_points(connection, [ContactPoint("email", "ann@example.com")])
    assert consents.record(contact_point_id=ANNS_EMAIL).status_code == 201
    assert consents.states(contact_point_id=ANNS_EMAIL) == {"email": "granted"}


def test_suppressions_are_shown_with_consents(consents: ConsentClient) -> None:
    consents.record(profile_id=ANN)
    with consents.service.store.write() as connection:
        suppress(connection, [Suppression(ANNS_EMAIL, "email", "complaint", "sendgrid", NOW, entry_id="e1")], NOW)
    found = consents.read(contact_point_id=ANNS_EMAIL).json()
    assert found["suppressions"] == [
        {
            **{"contact_point_id": ANNS_EMAIL, "channel": "email", "reason": "complaint", "source": "sendgrid"},
            **{"occurred_at": "2026-07-01T12:00:00Z", "lifted_at": None, "lifted_by": None, "entry_id": "e1"},
            "is_active": True,
        }
    ]
    assert [(state["state"], state["suppressed_by"]) for state in found["states"]] == [("granted", ["complaint"])]


def test_a_profiles_consents_need_the_profile_scope(consents: ConsentClient) -> None:
    consents.record(profile_id=ANN)
    response = consents.service.get(f"/v1/profiles/{ANN}/consents", as_of="2026-07-02T00:00:00Z")
    assert response.status_code == 200
    assert response.json() == {**consents.read(profile_id=ANN).json(), "as_of": "2026-07-02T00:00:00Z"}


@pytest.mark.parametrize(
    "fields",
    [
        {"profile_id": NOBODY},
        {"profile_id": "nobody@example.com"},
        {"contact_point_id": PHONE},
        {"identifiers": [{"type": "customer_id", "value": "crm:1"}]},
    ],
)
def test_consents_of_unknown_people_are_not_found(consents: ConsentClient, fields: dict[str, Any]) -> None:
    assert_problem(consents.record(**fields), 404, "not_found")


@pytest.mark.parametrize("profile_id", [NOBODY, "nobody", "%00"])
def test_an_unknown_profile_has_no_consents(consents: ConsentClient, profile_id: str) -> None:
    assert_problem(consents.service.get(f"/v1/profiles/{profile_id}/consents"), 404, "not_found")


@pytest.mark.parametrize(
    "fields",
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
def test_an_invalid_body_is_refused_without_repeating_it(consents: ConsentClient, fields: dict[str, Any]) -> None:
    assert_problem(consents.record(**fields), 422, "invalid_request")


@pytest.mark.parametrize(
    "fields",
    [
        {"profile_id": ANN, "purpose": "ann@example.com"},
        {"profile_id": ANN, "occurred_at": "2026-07-01T12:02:00Z"},
        {"profile_id": BOB},
        {"identifiers": [EMAIL, {"type": "email", "value": "b@example.com"}]},
    ],
)
def test_statements_that_cannot_be_recorded_are_refused(consents: ConsentClient, fields: dict[str, Any]) -> None:
    assert_problem(consents.record(**fields), 422, "input_refused")


def test_a_fast_client_clock_does_not_delay_an_opt_out(consents: ConsentClient) -> None:
    ahead = (NOW + timedelta(seconds=30)).isoformat()
    assert (
        consents.record(profile_id=ANN, state="withdrawn", occurred_at=ahead).json()["occurred_at"]
        == "2026-07-01T12:00:00Z"
    )


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("198.51.100.255", "198.51.100.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:198.51.100.9", "198.51.100.0/24"),
        ("198.51.100.0/24", "198.51.100.0/24"),
    ],
)
def test_an_ip_address_is_truncated(consents: ConsentClient, ip: str, network: str) -> None:
    assert consents.record(profile_id=ANN, evidence={"ip": ip}).json()["evidence"] == {"ip": network}


@pytest.mark.parametrize("parameters", [{}, {"profile_id": ANN, "contact_point_id": PHONE}])
def test_exactly_one_id_is_required(consents: ConsentClient, parameters: dict[str, str]) -> None:
    assert_problem(consents.read(**parameters), 400, "wrong_use")


@pytest.mark.parametrize(
    "parameters", [{"contact_point_id": "ann@example.com"}, {"profile_id": ANN, "as_of": "2026-06-01"}]
)
def test_an_invalid_query_is_refused(consents: ConsentClient, parameters: dict[str, str]) -> None:
    assert_problem(consents.read(**parameters), 422, "invalid_request")


def test_reading_and_recording_need_their_scopes(consents: ConsentClient) -> None:
    service = consents.service
    profile_reader = service.headers(service.reader)
    assert_problem(service.http.get("/v1/consents", headers=profile_reader), 403, "insufficient_scope")
    body = {"profile_id": ANN, "channel": "email", "purpose": "marketing", "state": "granted"}
    assert_problem(service.http.post("/v1/consents", json=body, headers=profile_reader), 403, "insufficient_scope")
    assert_problem(service.http.post("/v1/consents", json=body), 401, "unauthorised")
    assert_problem(
        service.http.get(f"/v1/profiles/{ANN}/consents", headers=consents.headers), 403, "insufficient_scope"
    )


def test_recorded_entries_form_one_hash_chain(consents: ConsentClient) -> None:
    for state in ("granted", "pending", "withdrawn"):
        consents.record(profile_id=ANN, state=state, scope="all" if state == "withdrawn" else None)
    with consents.service.store.read() as connection:
        found = verify(connection)
    assert (found.broken, found.entry_count) == (None, 6)
    assert [entry["seq"] for entry in consents.read(profile_id=ANN).json()["entries"]] == [1, 2, 3, 4, 5, 6]
