"""A trait that its source sets to null is unset at once: in the profile, in decision facts and in quiet hours."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from cdp.access.write_keys import add_write_key
from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.decision.facts import Asked, gather, subjects_of
from cdp.decision.model import Question
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
        "trait_evidence": [{"trait": "country", "value": "JP", **told}],
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


def identify(service: Service, key: str, **traits: Any) -> None:
    call = {"userId": "u1", "messageId": "m1", "traits": {"email": EMAIL[1], **traits}}
    response = service.http.post("/v1/identify", json=call, auth=(key, ""))
    assert response.status_code == 200, response.text


def country_in_profile(service: Service) -> str | None:
    found: str | None = service.get(f"/v1/profiles/{ANN}").json()["traits"]["country"]
    return found


def country_in_facts(service: Service) -> str | None:
    asked = [Asked(Question("dec_1", "marketing", ("sms",)), ANN)]
    with service.store.read() as connection:
        (facts,) = gather(connection, subjects_of(connection, asked), NOW)
    return facts.country


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


def test_a_call_without_the_trait_leaves_it_set(service: Service, key: str) -> None:
    identify(service, key, city="Kyoto")
    assert country_in_profile(service) == country_in_facts(service) == "JP"
