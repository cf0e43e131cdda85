"""What comes by a write key is a claim: everybody who opens a page can read its key.

Each attack is tried with a key as it is made by default, then with the credentials that may do it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdp.access.write_keys import add_write_key
from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import entries_of, record, suppress, suppressions_of
from cdp.consent.statement import Suppression
from cdp.people.document import blank_document
from cdp.people.published import PublishedChanges, apply_publish
from cdp.runs.ledger import record_run
from tests.api.service import ANN, DOCUMENT, NOW, Service

EMAIL, PHONE = ("email", "ann@example.com"), ("phone", "+14155550100")
REASON = "only our own server holds it"


@dataclass
class Site:
    """A service that knows Ann, who has said STOP by SMS, agreed to e-mail, and whose address bounced once."""

    service: Service
    key: str = field(init=False)

    def __post_init__(self) -> None:
        seen_at = DOCUMENT["last_seen_at"]
        seen = {"quality": "unique", "sources": ["crm"], "first_seen_at": seen_at, "last_seen_at": seen_at}
        held = [{"type": kind, "value": value, **seen} for kind, value in (EMAIL, PHONE)]
        told = {"source": "crm", "observed_at": seen_at, "file": "crm.csv", "line_number": 1}
        evidence = [
            {"trait": trait, "value": DOCUMENT["traits"][trait], "is_current": True, "is_claim": False, **told}
            for trait in ("country", "timezone", "email", "phone")
        ]
        metrics = blank_document(ANN, seen_at)["metrics"]
        document = {**DOCUMENT, "identifiers": held, "trait_evidence": evidence, "preferences": [], "metrics": metrics}
        rows = pl.DataFrame([{"profile_id": ANN, "document": json.dumps(document), "document_hash": "h"}])
        known = [{"type": kind, "value": value, "profile_id": ANN} for kind, value in (EMAIL, PHONE)]
        with self.service.store.write() as connection:
            apply_publish(
                connection, PublishedChanges(NOW, profiles_upsert=rows, identifiers_insert=pl.DataFrame(known))
            )
            record_run(connection, "run_1", NOW, NOW, True, {})
            record(connection, [said(EMAIL, "email", "granted"), said(PHONE, "sms", "withdrawn")], NOW)
            suppress(connection, [Suppression(contact_point_id(*PHONE), "sms", "stop", "twilio", NOW)], NOW)
            suppress(connection, [Suppression(contact_point_id(*EMAIL), "push", "hard_bounce", "fcm", NOW)], NOW)
            self.key = add_write_key(connection, "site", "web", NOW)
        self.service.clock.advance(minutes=1)

    def track(self, event: str, key: str | None = None, **call: Any) -> Any:
        context = {"traits": {"email": EMAIL[1], "phone": PHONE[1]}}
        body = {"userId": "u1", "event": event, "context": context, **call}
        response = self.service.http.post("/v1/track", json=body, auth=(key or self.key, ""))
        self.service.clock.advance(minutes=1)
        assert response.status_code == 200, response.text

    def with_token(self, *scopes: str, **body: Any) -> None:
        headers = self.service.headers(self.service.add_client("server", *scopes))
        assert self.service.http.post("/v1/track", json=body, headers=headers).status_code == 200
        self.service.clock.advance(minutes=1)

    def decide(self, channel: str, purpose: str = "marketing") -> dict[str, Any]:
        body = {"profile_id": ANN, "purpose": purpose, "candidates": [channel]}
        answer = self.service.http.post("/v1/decisions", json=body, headers=self.service.headers(self.service.sender))
        found: dict[str, Any] = answer.json()
        return found

    def suppressed(self, point: tuple[str, str]) -> set[tuple[str, str]]:
        with self.service.store.read() as connection:
            found = suppressions_of(connection, [contact_point_id(*point)])
        return {(one.channel, one.reason) for one in found if one.is_active(self.service.clock.now)}

    def stated(self, point: tuple[str, str]) -> list[tuple[str, str]]:
        with self.service.store.read() as connection:
            return [(one.channel, one.state) for one in entries_of(connection, [contact_point_id(*point)])]


def said(point: tuple[str, str], channel: str, state: str) -> Statement:
    return Statement(contact_point_id(*point), point[0], channel, "marketing", state, NOW, "crm", "person")


@pytest.fixture
def site(store_url: str, tmp_path: Path) -> Iterator[Site]:
    service = Service(tmp_path / "home", store_url)
    yield Site(service)
    service.close()


def granting_key(site: Site) -> str:
    with site.service.store.write() as connection:
        return add_write_key(connection, "server", "web", NOW, may_grant=REASON)


RESUBSCRIBE = {"userId": "u1", "event": "SMS Resubscribed", "context": {"traits": {"phone": PHONE[1]}}}


def test_a_key_does_not_lift_a_stop(site: Site) -> None:
    site.track("SMS Resubscribed")
    assert site.suppressed(PHONE) == {("sms", "stop")}
    assert site.stated(PHONE) == [("sms", "withdrawn")]
    assert not site.decide("sms")["allowed"]


def test_a_key_does_not_grant_for_somebody_else(site: Site) -> None:
    site.track("Email Resubscribed", context={"traits": {"email": "bob@example.com"}}, userId="u2")
    assert site.stated(("email", "bob@example.com")) == []


def test_a_complaint_by_a_key_withdraws_marketing_and_leaves_receipts(site: Site) -> None:
    assert site.decide("email")["allowed"]
    site.track("Email Marked as Spam")
    assert site.suppressed(EMAIL) == {("push", "hard_bounce")}
    assert not site.decide("email")["allowed"]
    assert site.decide("email", "transactional")["allowed"]


def test_an_opt_out_by_a_key_withdraws_marketing_and_is_no_stop(site: Site) -> None:
    site.track("SMS Unsubscribed", context={"traits": {"phone": "+14155550111"}}, userId="u3")
    assert site.stated(("phone", "+14155550111")) == [("sms", "withdrawn")]
    assert site.suppressed(("phone", "+14155550111")) == set()


@pytest.mark.parametrize("event", ["Email Bounced", "SMS Failed"])
def test_a_failure_told_by_a_key_suppresses_nothing(site: Site, event: str) -> None:
    before = site.suppressed(EMAIL), site.suppressed(PHONE)
    site.track(event, properties={"bounce_type": "hard"})
    assert (site.suppressed(EMAIL), site.suppressed(PHONE)) == before


def test_an_arrival_told_by_a_key_lifts_no_bounce(site: Site) -> None:
    with site.service.store.write() as connection:
        suppress(connection, [Suppression(contact_point_id(*EMAIL), "email", "hard_bounce", "sendgrid", NOW)], NOW)
    site.track("Email Link Clicked")
    assert ("email", "hard_bounce") in site.suppressed(EMAIL)


@pytest.mark.parametrize(
    "traits",
    [
        *({"country": None}, {"country": "US"}, {"email": None}, {"phone": None}),
        {"country": "JP", "email": "thief@example.com", "phone": "+14155550199"},
    ],
)
def test_a_key_does_not_change_what_decisions_use(site: Site, traits: dict[str, Any]) -> None:
    profile = site.service.get(f"/v1/profiles/{ANN}").json()["traits"]
    body = {"userId": "u1", "traits": {"email": EMAIL[1]} | traits, "context": {"traits": {"phone": PHONE[1]}}}
    assert site.service.http.post("/v1/identify", json=body, auth=(site.key, "")).status_code == 200
    assert site.service.get(f"/v1/profiles/{ANN}").json()["traits"] == profile
    assert site.decide("email", "transactional")["address"] == EMAIL[1]


def test_a_forged_authority_is_replaced(site: Site) -> None:
    site.track("SMS Resubscribed", receivedBy={"name": "cdp", "isClaim": False, "mayGrant": "I said so"})
    assert site.suppressed(PHONE) == {("sms", "stop")}


def test_the_refusal_is_told(site: Site) -> None:
    site.track("SMS Resubscribed")
    metrics = site.service.http.get("/metrics").text
    assert 'cdp_events_total{outcome="refused",source="web"} 1.0' in metrics


def ahead(site: Site) -> dict[str, str]:
    """The time by a clock that is some minutes ahead."""
    return {"timestamp": (site.service.clock.now + timedelta(minutes=5)).isoformat()}


def test_a_clock_that_is_ahead_does_not_keep_a_stop_that_has_been_lifted(site: Site) -> None:
    site.track("SMS Resubscribed", granting_key(site), **ahead(site))
    assert site.stated(PHONE)[-1] == ("sms", "granted")
    assert site.suppressed(PHONE) == set()
    assert site.decide("sms")["allowed"]


def test_a_clock_that_is_ahead_does_not_undo_what_is_said_after(site: Site) -> None:
    key = granting_key(site)
    site.track("SMS Resubscribed", key, **ahead(site))
    site.track("SMS Unsubscribed", key)
    assert site.suppressed(PHONE) == {("sms", "stop")}
    site.service.clock.advance(minutes=10)
    assert site.suppressed(PHONE) == {("sms", "stop")}
    assert not site.decide("sms")["allowed"]


def test_a_stop_by_a_clock_that_is_ahead_holds_at_once_and_can_be_lifted(site: Site) -> None:
    key = granting_key(site)
    site.track("SMS Resubscribed", key)
    site.track("SMS Unsubscribed", key, **ahead(site))
    assert site.suppressed(PHONE) == {("sms", "stop")}
    assert not site.decide("sms")["allowed"]
    site.track("SMS Resubscribed", key)
    assert site.decide("sms")["allowed"]


def test_a_key_that_may_grant_says_why_in_the_evidence(site: Site) -> None:
    site.track("SMS Resubscribed", granting_key(site))
    assert site.suppressed(PHONE) == set()
    with site.service.store.read() as connection:
        evidence = json.loads(entries_of(connection, [contact_point_id(*PHONE)])[-1].evidence or "")
    assert evidence["credential"] == f"server (may grant: {REASON})"
    assert site.decide("sms")["allowed"]


def test_a_token_that_may_write_consents_grants(site: Site) -> None:
    site.with_token("events:write", "consents:write", **RESUBSCRIBE)
    assert site.stated(PHONE)[-1] == ("sms", "granted")


def test_a_token_that_may_only_send_events_claims(site: Site) -> None:
    site.with_token("events:write", **RESUBSCRIBE)
    assert site.stated(PHONE) == [("sms", "withdrawn")]


def identify(site: Site, key: str, **traits: Any) -> None:
    body = {"userId": "u9", "traits": traits}
    assert site.service.http.post("/v1/identify", json=body, auth=(key, "")).status_code == 200
    site.service.clock.advance(minutes=1)


def test_a_key_that_told_the_same_before_does_not_take_the_word_of_a_server_away(site: Site) -> None:
    trusted = granting_key(site)
    identify(site, site.key, email="zoe@example.com", country="FR")
    identify(site, trusted, email="zoe@example.com", country="FR")
    identify(site, site.key, email="evil@example.com", country="US")
    asked = {"identifiers": [{"type": "customer_id", "value": "web:u9"}], "purpose": "transactional"}
    headers = site.service.headers(site.service.sender)
    assert site.service.http.post("/v1/decisions", json=asked, headers=headers).json()["address"] == "zoe@example.com"


def test_a_time_zone_that_a_key_tells_does_not_outrank_a_country_that_others_have_told(site: Site) -> None:
    trusted = granting_key(site)
    identify(site, trusted, phone="+33612345678", country="FR")
    with site.service.store.write() as connection:
        record(connection, [said(("phone", "+33612345678"), "sms", "granted")], NOW)
    night = {"at": "2026-07-02T00:30:00Z", "candidates": ["sms"], "purpose": "marketing"}
    asked = {"identifiers": [{"type": "customer_id", "value": "web:u9"}], **night}
    headers = site.service.headers(site.service.sender)
    before = site.service.http.post("/v1/decisions?dry_run=true", json=asked, headers=headers).json()
    body = {"userId": "u9", "context": {"timezone": "America/Los_Angeles"}}
    assert site.service.http.post("/v1/identify", json=body, auth=(site.key, "")).status_code == 200
    after = site.service.http.post("/v1/decisions?dry_run=true", json=asked, headers=headers).json()
    assert before["send_at"] == after["send_at"] > "2026-07-02T04"


def test_an_opt_out_of_a_clock_that_is_ahead_does_not_outlast_a_grant(site: Site) -> None:
    later = (site.service.clock.now + timedelta(hours=15)).isoformat()
    site.track("Email Unsubscribed", timestamp=later)
    assert not site.decide("email")["allowed"]
    site.service.clock.advance(minutes=1)
    site.with_token(
        "events:write",
        "consents:write",
        **{**RESUBSCRIBE, "event": "Email Resubscribed"} | {"context": {"traits": {"email": EMAIL[1]}}},
    )
    assert site.decide("email")["allowed"]


def lookup(site: Site, kind: str, value: str, channel: str = "email") -> dict[str, Any]:
    asked = {"identifiers": [{"type": kind, "value": value}], "purpose": "transactional", "candidates": [channel]}
    headers = site.service.headers(site.service.sender)
    found: dict[str, Any] = site.service.http.post("/v1/decisions?dry_run=true", json=asked, headers=headers).json()
    return found


def test_a_key_does_not_take_over_the_look_up_of_an_address(site: Site) -> None:
    """The live profiles of the attacker may have lower ids, which would win a tie."""
    for number in range(6):
        user = f"evil{number}"
        for traits in ({"email": f"box{number}@evil-mail.org"}, {"email": EMAIL[1]}, {"phone": PHONE[1]}):
            body = {"userId": user, "traits": traits}
            assert site.service.http.post("/v1/identify", json=body, auth=(site.key, "")).status_code == 200
            site.service.clock.advance(minutes=1)
    for kind, value in (EMAIL, PHONE):
        found = lookup(site, kind, value)
        assert found["address"] == EMAIL[1]


def test_a_key_does_not_add_an_address_to_those_that_others_have_told(site: Site) -> None:
    """After she has opted out, her next address would be asked."""
    adam = ("email", "adam@example.com")
    with site.service.store.write() as connection:
        record(connection, [said(EMAIL, "email", "withdrawn"), said(adam, "email", "granted")], NOW)
    for email in (EMAIL[1], adam[1]):
        body = {"userId": "evil", "traits": {"email": email}}
        assert site.service.http.post("/v1/identify", json=body, auth=(site.key, "")).status_code == 200
        site.service.clock.advance(minutes=1)
    found = site.decide("email")
    assert (found["allowed"], found["address"]) == (False, None)
    assert site.decide("email", "transactional")["address"] == EMAIL[1]


def test_a_key_does_not_take_over_somebody_whom_no_run_has_seen(site: Site) -> None:
    service = site.service
    nora = {"email": "nora@example.com", "phone": "+41790000123", "country": "DE", "first_name": "Nora"}
    server = service.headers(service.everything)
    tell(service, {"userId": "n", "traits": nora}, headers=server)
    for traits in ({"email": "mal@evil-mail.org", "country": "US", "first_name": "Mal"}, nora):
        tell(service, {"userId": "m", "traits": {**traits, "first_name": "Mal"}}, auth=(site.key, ""))
    for kind in ("email", "phone"):
        found = service.look_up((kind, nora[kind])).json()["profile"]
        assert (found["traits"]["first_name"], found["traits"]["country"]) == ("Nora", "DE")


def test_a_key_puts_no_words_into_a_message_as_a_name(site: Site) -> None:
    service = site.service
    nora = {"email": "nora@example.com", "firstName": "Nora"}
    tell(service, {"userId": "n", "traits": nora}, headers=service.headers(service.everything))
    for name in ("Win-a-prize at evil.example", None):
        body = {"anonymousId": "e", "traits": {"email": nora["email"], "name": name, "firstName": name}}
        tell(service, body, auth=(site.key, ""))
        assert service.look_up(("email", nora["email"])).json()["profile"]["traits"]["first_name"] == "Nora"


@pytest.mark.parametrize("is_told_first", [True, False])
def test_a_key_does_not_send_somebodys_push_messages_to_another_device(site: Site, *, is_told_first: bool) -> None:
    """Whether a server told of the device before or after; what a server says of the other device, too, counts."""
    service = site.service
    server = {"headers": service.headers(service.everything)}
    told = {"userId": "n", "traits": {"email": "nora@example.com"}, "context": {"device": {"token": "noras-device-1"}}}
    claimed = {**told, "userId": "n" if is_told_first else "e", "context": {"device": {"token": "evil-device-1"}}}
    for body, credentials in [(told, server), (claimed, {"auth": (site.key, "")})][:: 1 if is_told_first else -1]:
        tell(service, body, **credentials)
    found = lookup(site, "email", "nora@example.com", "push")
    assert found["address"] == "noras-device-1"
    if is_told_first:
        tell(service, claimed, **server)
        assert lookup(site, "email", "nora@example.com", "push")["address"] == "evil-device-1"


def test_who_squats_on_an_address_loses_it_to_who_is_told_to_hold_it(site: Site) -> None:
    service = site.service
    tell(service, {"userId": "m", "traits": {"email": "nora@example.com", "country": "US"}}, auth=(site.key, ""))
    tell(service, {"userId": "x", "traits": {"country": "JP", "email": "box@evil-mail.org"}}, auth=(site.key, ""))
    tell(service, {"userId": "x", "traits": {"email": "nora@example.com"}}, auth=(site.key, ""))
    server = service.headers(service.everything)
    tell(service, {"userId": "n", "traits": {"email": "nora@example.com", "country": "DE"}}, headers=server)
    found = service.look_up(("email", "nora@example.com")).json()["profile"]
    assert found["traits"]["country"] == "DE"


def tell(service: Service, body: dict[str, Any], **credentials: Any) -> None:
    assert service.http.post("/v1/identify", json=body, **credentials).status_code == 200
    service.clock.advance(minutes=1)
