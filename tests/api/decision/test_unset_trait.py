"""A trait that its source sets to null is unset at once: in the profile, in decision facts and in quiet hours."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from cdp.access.write_keys import add_write_key
from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.decision.facts import Asked, gather, subjects_of
from cdp.decision.model import Facts, Question
from cdp.people.document import blank_document
from cdp.people.published import PublishedChanges, apply_publish
from tests.api.service import ANN, DOCUMENT, NOW, Service

EMAIL, PHONE = ("email", "ann@example.com"), ("phone", "+14155550100")
SEEN_AT = DOCUMENT["last_seen_at"]


@pytest.fixture
def key(service: Service) -> str:
    """Ann has agreed to SMS. According to her web shop she is in Japan, where it is 21:00, in quiet hours."""
    held = [
        {"type": kind, "value": value, "quality": "unique", "sources": ["web"], "last_seen_at": SEEN_AT}
        for kind, value in (EMAIL, PHONE)
    ]
    told = {
        "source": "web",
        "is_claim": True,
        "observed_at": SEEN_AT,
        "file": "inbox:web",
        "line_number": 1,
        "is_current": True,
    }
    document = DOCUMENT | {
        "identifiers": held,
        "traits": DOCUMENT["traits"] | {"country": "JP", "timezone": None},
        "trait_evidence": [
            {"trait": trait, "value": value, **told} for trait, value in (("country", "JP"), PHONE, ("phone", "+41"))
        ],
        "metrics": blank_document(ANN, SEEN_AT)["metrics"],
    }
    rows = pl.DataFrame([{"profile_id": ANN, "document": json.dumps(document), "document_hash": "h"}])
    known = [{"type": kind, "value": value, "profile_id": ANN} for kind, value in (EMAIL, PHONE)]
    agreed = Statement(contact_point_id(*PHONE), "phone", "sms", "marketing", "granted", NOW, "test", "person")
    with service.store.write() as connection:
        changes = PublishedChanges(NOW, profiles_upsert=rows, identifiers_insert=pl.DataFrame(known))
        apply_publish(connection, changes)
        record(connection, [agreed], NOW)
        return add_write_key(connection, "shop", "web", NOW)


def identify(service: Service, key: str, at: datetime = NOW, **traits: Any) -> None:
    call = {"userId": "u1", "messageId": f"{at}", "timestamp": at.isoformat(), "traits": {"email": EMAIL[1], **traits}}
    response = service.http.post("/v1/identify", json=call, auth=(key, ""))
    assert response.status_code == 200, response.text


def country_in_profile(service: Service) -> str | None:
    found: str | None = service.get(f"/v1/profiles/{ANN}").json()["traits"]["country"]
    return found


def country_in_facts(service: Service) -> str | None:
    return facts(service).country


def channels_of(service: Service) -> dict[str, str]:
    """The addresses for decisions, by channel."""
    return {{"email": "email", "phone": "sms"}[one.type]: one.value for one in facts(service).addresses}


def facts(service: Service) -> Facts:
    asked = [Asked(Question("dec_1", "marketing", ("sms",)), ANN)]
    with service.store.read() as connection:
        (found,) = gather(connection, subjects_of(connection, asked), NOW)
    return found


def quiet_hours(service: Service) -> str:
    body = {"profile_id": ANN, "purpose": "marketing", "candidates": ["sms"]}
    answer = service.http.post("/v1/decisions", json=body, headers=service.headers(service.sender)).json()
    (reason,) = (each for each in answer["reasons"] if each["gate"] == "quiet_hours")
    evidence: str = reason["evidence_id"]
    return evidence


def test_null_unsets_the_country_in_profile_facts_and_quiet_hours(service: Service, key: str) -> None:
    assert country_in_profile(service) == country_in_facts(service) == "JP"
    assert quiet_hours(service) == "country:JP"
    identify(service, key, country=None)
    assert country_in_profile(service) is None
    assert country_in_facts(service) is None
    # The country of the phone number remains.
    assert quiet_hours(service) == "country:US"


@pytest.mark.parametrize("address", [None, {"country": None}])
def test_null_within_an_address_unsets_the_country(service: Service, key: str, address: Any) -> None:
    identify(service, key, address=address)
    assert country_in_profile(service) is None
    assert country_in_facts(service) is None


def test_nobody_is_written_to_at_an_address_that_its_source_has_unset(service: Service, key: str) -> None:
    assert channels_of(service) == {"email": EMAIL[1], "sms": PHONE[1]}
    identify(service, key, phone=None)
    assert channels_of(service) == {"email": EMAIL[1]}
    # The phone still identifies the person, and her consent to it is kept.
    held = service.get(f"/v1/profiles/{ANN}", include="identity").json()["identifiers"]
    assert PHONE in {(one["type"], one["value"]) for one in held}
    identify(service, key, phone=PHONE[1], at=NOW + timedelta(seconds=5))
    assert channels_of(service) == {"email": EMAIL[1], "sms": PHONE[1]}


def test_a_call_without_the_trait_leaves_it_set(service: Service, key: str) -> None:
    identify(service, key, city="Kyoto")
    assert country_in_profile(service) == country_in_facts(service) == "JP"


def test_what_is_told_again_counts_again(service: Service, key: str) -> None:
    """In words that were seen before: live, and of somebody whom a run has seen."""
    for number, email in enumerate(("zoe@example.com", "zora@example.com", "zoe@example.com")):
        at = NOW + timedelta(seconds=number)
        call = {"userId": "new", "messageId": f"n{number}", "timestamp": at.isoformat(), "traits": {"email": email}}
        assert service.http.post("/v1/identify", json=call, auth=(key, "")).status_code == 200
    body = {"identifiers": [{"type": "customer_id", "value": "web:new"}]}
    found = service.http.post("/v1/profiles/lookup", json=body, headers=service.headers(service.reader)).json()
    assert found["profile"]["traits"]["email"] == "zoe@example.com"

    identify(service, key, phone=PHONE[1])
    identify(service, key, phone=None, at=NOW + timedelta(seconds=1))
    assert "sms" not in channels_of(service)
    identify(service, key, phone=PHONE[1], at=NOW + timedelta(seconds=2))
    assert "sms" in channels_of(service)
