"""A service over a store with a few invented people, and clients to call it with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from cdp.access.clients import SCOPES, NewClient, add_client
from cdp.people.published import PublishedChanges, apply_publish
from cdp.runs.ledger import record_run
from cdp.settings import DATA, Settings, WebhookSecrets
from cdp.store import open_store

ANN, BOB, OLD = (f"prf_{letter * 26}" for letter in "ABC")
NOBODY = "prf_" + "Z" * 26
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)

DOCUMENT: dict[str, Any] = {
    "profile_id": ANN,
    "traits": {
        **{"first_name": "Ann", "last_name": "Müller", "email": "ann@example.com", "phone": "+14155550100"},
        **{"date_of_birth": "1980-02-29", "street": None, "city": "Bern", "region": None, "postcode": "3011"},
        **{"country": "CH", "language": "de", "timezone": "Europe/Zurich"},
    },
    "custom_traits": {"plan": "gold"},
    "identifiers": [
        {
            **{"type": "email", "value": "ann@example.com", "quality": "unique"},
            **{"sources": ["sendgrid", "shopify"]},
            **{"first_seen_at": "2025-01-01T00:00:00Z", "last_seen_at": "2026-06-30T08:00:00Z"},
        }
    ],
    "trait_evidence": [
        {
            **{"trait": "city", "value": "Bern", "is_current": True, "source": "shopify"},
            **{"observed_at": "2026-06-30T08:00:00Z", "file": "shopify.jsonl", "line_number": 7},
        }
    ],
    "segments": [{"segment": "loyal", "entered_at": "2026-06-01T00:00:00Z"}],
    "preferences": [
        {
            **{"channel": "email", "reachable": True, "score": 0.2, "low": 0.1, "high": 0.3},
            **{"received_count": 40, "response_count": 8, "best_hours": [9, 18], "timezone": "Europe/Zurich"},
        },
        {
            **{"channel": "push", "reachable": False, "score": None, "low": None, "high": None},
            **{"received_count": 0, "response_count": 0, "best_hours": None, "timezone": None},
        },
    ],
    "metrics": {"order_count": 3, "order_value": 120.5, "currency": "CHF", "last_order_at": None},
    "identity": {
        **{"observation_count": 2, "source_count": 2, "confidence": 0.98},
        **{"members": ["0" * 32, "1" * 32], "aliases": [OLD]},
    },
    "created_at": "2025-01-01T00:00:00Z",
    "last_seen_at": "2026-06-30T08:00:00Z",
}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Service:
    """`reader` may read profiles and segments, `sender` may only request decisions, `everything` has all scopes."""

    home: Path
    store_url: str | None = None
    clock: Clock = field(default_factory=Clock)
    segments: Path = DATA / "segments.yaml"
    webhooks: WebhookSecrets = field(default_factory=dict)
    policy: Path = DATA / "policy.yaml"

    def __post_init__(self) -> None:
        self.settings = Settings(
            home=self.home,
            store_url=self.store_url,
            segments=self.segments,
            webhooks=self.webhooks,
            policy=self.policy,
            public_url="https://cdp.example.com/",
        )
        self.app: FastAPI = create_app(self.settings, clock=self.clock)
        self.http = TestClient(self.app, raise_server_exceptions=False)
        self.store = open_store(self.settings.effective_store_url)

    @cached_property
    def reader(self) -> NewClient:
        return self.add_client("reader", "profiles:read", "segments:read")

    @cached_property
    def sender(self) -> NewClient:
        return self.add_client("sender", "decisions:read")

    @cached_property
    def everything(self) -> NewClient:
        return self.add_client("everything", *SCOPES)

    def add_client(self, name: str, *scopes: str) -> NewClient:
        with self.store.write() as connection:
            return add_client(connection, name, list(scopes), NOW)

    def publish(self) -> None:
        changes = PublishedChanges(NOW)
        people = [DOCUMENT, {**DOCUMENT, "profile_id": BOB}]
        documents = [(person["profile_id"], json.dumps(person), "hash") for person in people]
        identifiers = [
            ("email", "ann@example.com", ANN),
            ("phone", "+14155550100", ANN),
            ("phone", "+14155550100", BOB),
            ("customer_id", "shopify:1234", BOB),
            ("device_token", "dQw4w9WgXcQ", ANN),
            ("telegram_chat", "1111111", ANN),
        ]
        with self.store.write() as connection:
            apply_publish(
                connection,
                PublishedChanges(
                    NOW,
                    profiles_upsert=_rows(changes.profiles_upsert, documents),
                    identifiers_insert=_rows(changes.identifiers_insert, identifiers),
                    aliases_upsert=_rows(changes.aliases_upsert, [(OLD, ANN, "run_1")]),
                ),
            )
            record_run(connection, "run_1", NOW, NOW, True, {})

    def ask_token(self, client: NewClient, **form: str) -> httpx.Response:
        credentials = (client.client_id, client.client_secret)
        return self.http.post("/oauth/token", data={"grant_type": "client_credentials", **form}, auth=credentials)

    def headers(self, client: NewClient) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.ask_token(client).json()['access_token']}"}

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return self.http.get(path, params=parameters, headers=self.headers(self.reader))

    def look_up(self, *identifiers: tuple[str, str]) -> httpx.Response:
        body = {"identifiers": [{"type": kind, "value": value} for kind, value in identifiers]}
        return self.http.post("/v1/profiles/lookup", json=body, headers=self.headers(self.reader))

    def close(self) -> None:
        self.http.close()
        self.store.close()
        self.app.state.context.store.close()


def _rows(like: pl.DataFrame, values: list[tuple[str, ...]]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=like.schema, orient="row")


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    """Assert that the response is this problem, complete, and repeats nothing that the tests send."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {**body, "code": code, "status": status} == body
    assert {"type", "title", "detail", "instance", "message"} <= body.keys()
    assert body["instance"].startswith("urn:uuid:")
    assert "example.com" not in response.text
    assert "5550100" not in response.text
