"""Segment's Profile API: its clients' requests, in its shapes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cdp.access.clients import remove_client, rotate_client
from tests.api.service import ANN, BOB, DOCUMENT, NOW, Service
from tests.api.warehouse import event_id
from tests.cdp.store_urls import on_sqlite

# Another shape for what test_profiles.py reads from either store.
pytestmark = on_sqlite

BASE = "/v1/spaces/lgJ4AAjFN4/collections/users/profiles"
EMAIL = f"{BASE}/email:ann@example.com"


def ask(service: Service, path: str, **parameters: Any) -> dict[str, Any]:
    response = service.http.get(path, params=parameters or None, headers=service.headers(service.reader))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize(
    ("external_id", "profile_id"),
    [
        ("email:ann@example.com", ANN),
        ("email:Ann@Example.com", ANN),
        (quote("email:ann@example.com", safe=""), ANN),
        ("device_token:dQw4w9WgXcQ", ANN),
        ("android.push_token:dQw4w9WgXcQ", ANN),
        ("telegram_chat:1111111", ANN),
        ("phone:%2B14155550100", ANN),
        ("phone_number:+14155550100", ANN),
        ("user_id:shopify:1234", BOB),
        (f"segment_id:{BOB}", BOB),
    ],
)
def test_a_profile_is_found_by_each_kind_of_id(lasting: Service, external_id: str, profile_id: str) -> None:
    found = ask(lasting, f"{BASE}/{external_id}/metadata", verbose="true")
    assert found["metadata"]["id"] == profile_id


@pytest.mark.parametrize(
    "external_id",
    ["email:nobody@example.com", "user_id:", "shoe_size:44", f"segment_id:{'x' * 30}", f"email:{'x' * 600}"],
)
def test_nobody_is_not_found_in_their_words(lasting: Service, external_id: str) -> None:
    response = lasting.http.get(f"{BASE}/{external_id}/traits", headers=lasting.headers(lasting.reader))
    assert response.status_code == 404
    assert response.json()["error"] == {"code": "not_found", "message": "Profile was not found."}


def test_traits_are_their_own_computed_ones_and_audiences(lasting: Service) -> None:
    found = ask(lasting, f"{EMAIL}/traits", limit=200)["traits"]
    assert found == {
        **{name: value for name, value in DOCUMENT["traits"].items() if value is not None},
        **{"order_count": 3, "order_value": 120.5, "currency": "CHF"},
        **{"loyal": True, "plan": "gold"},
    }


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"class": "audience"}, ["loyal"]),
        ({"class": "computed_trait"}, ["currency", "order_count", "order_value"]),
        ({"include": "city,first_name,unknown"}, ["city", "first_name"]),
        ({"limit": 2}, ["city", "country"]),
    ],
)
def test_traits_may_be_chosen(lasting: Service, parameters: dict[str, Any], names: list[str]) -> None:
    assert list(ask(lasting, f"{EMAIL}/traits", **parameters)["traits"]) == names


def test_verbose_traits_say_who_said_so(lasting: Service) -> None:
    found = ask(lasting, f"{EMAIL}/traits", verbose="true", include="city")["traits"]
    assert found == {"city": {"value": "Bern", "source_id": "shopify", "updated_at": "2026-06-30T08:00:00Z"}}


def test_pages_keep_what_was_chosen(lasting: Service) -> None:
    page = ask(lasting, f"{EMAIL}/traits", limit=2, **{"class": "computed_trait"})
    assert list(ask(lasting, page["cursor"]["url"])["traits"]) == ["order_value"]


def test_pages_follow_the_cursor_and_its_url_names_nobody(lasting: Service) -> None:
    names: list[str] = []
    page = ask(lasting, f"{EMAIL}/traits", limit=4)
    while True:
        names += page["traits"]
        assert page["cursor"]["url"].startswith(f"{BASE}/segment_id:{ANN}/traits?limit=4")
        if not page["cursor"]["has_more"]:
            break
        page = ask(lasting, page["cursor"]["url"])
    assert names == sorted(ask(lasting, f"{EMAIL}/traits", limit=200)["traits"])
    assert page["cursor"]["next"] == ""


def test_external_ids(lasting: Service) -> None:
    found = ask(lasting, f"{EMAIL}/external_ids")
    assert found["data"] == [
        {
            **{"collection": "users", "type": "email", "id": "ann@example.com", "encoding": "none"},
            **{"source_id": "sendgrid,shopify", "created_at": "2025-01-01T00:00:00Z"},
        }
    ]
    assert ask(lasting, f"{EMAIL}/external_ids", include="user_id")["data"] == []


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"sort": "asc", "limit": 2}, [0, 1]),
        ({"include": "click,Order Completed"}, [2, 1]),
        ({"exclude": "open"}, [2, 1]),
        ({"start": "2026-06-29T12:00:00Z", "end": "2026-06-30"}, [2, 1]),
        ({"start": "2026-06-29T13:00:00+01:00", "end": "2026-06-30T12:00:00"}, [2, 1]),
    ],
)
def test_events_may_be_chosen(lasting: Service, parameters: dict[str, Any], numbers: list[int]) -> None:
    found = ask(lasting, f"{EMAIL}/events", **parameters)
    assert [event["message_id"] for event in found["data"]] == [event_id(number) for number in numbers]


def test_an_event_is_in_their_shape(lasting: Service) -> None:
    (found,) = ask(lasting, f"{EMAIL}/events", include="Order Completed")["data"]
    assert found == {
        **{"type": "track", "event": "Order Completed", "message_id": event_id(2), "source_id": "sendgrid"},
        **{"timestamp": "2026-06-29T12:00:00.000Z", "properties": {"revenue": 12.5, "currency": "CHF"}},
        **{"context": {"channel": "email"}, "related": {"users": [ANN]}},
        "external_ids": [{"collection": "users", "type": "email", "id": "ann@example.com", "encoding": "none"}],
    }


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_events_turn_pages(lasting: Service, sort: str) -> None:
    numbers: list[int] = []
    page = ask(lasting, f"{EMAIL}/events", limit=2, sort=sort)
    while page["cursor"]["has_more"]:
        numbers += [int(event["message_id"], 16) for event in page["data"]]
        page = ask(lasting, f"{EMAIL}/events", limit=2, sort=sort, next=page["cursor"]["next"])
    numbers += [int(event["message_id"], 16) for event in page["data"]]
    assert numbers == sorted(range(5), reverse=sort == "desc")


def test_links_are_none(lasting: Service) -> None:
    assert ask(lasting, f"{EMAIL}/links")["data"] == []


@pytest.mark.parametrize(
    ("what", "parameters"),
    [
        ("traits", {"limit": 0}),
        ("traits", {"limit": 201}),
        ("traits", {"class": "everything"}),
        ("events", {"sort": "up"}),
        ("events", {"start": "yesterday"}),
        ("events", {"next": "made up"}),
        ("links", {"limit": 21}),
    ],
)
def test_a_wrong_parameter_is_a_validation_error(lasting: Service, what: str, parameters: dict[str, Any]) -> None:
    response = lasting.http.get(f"{EMAIL}/{what}", params=parameters, headers=lasting.headers(lasting.reader))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "validation_error")


def traits(service: Service, auth: tuple[str, str]) -> httpx.Response:
    return service.http.get(f"{EMAIL}/traits", auth=auth)


def test_basic_takes_a_token_or_a_secret(lasting: Service) -> None:
    token = lasting.ask_token(lasting.reader).json()["access_token"]
    client = lasting.reader
    both = f"{client.client_id}:{client.client_secret}"
    for auth in ((token, ""), (client.client_id, client.client_secret), (both, "")):
        assert traits(lasting, auth).status_code == 200


def test_a_secret_that_is_no_more_opens_nothing(service: Service) -> None:
    client = service.reader
    old = (client.client_id, client.client_secret)
    assert traits(service, old).status_code == 200
    with service.store.write() as connection:
        new = rotate_client(connection, "reader", NOW)
    assert traits(service, old).status_code == 401
    assert traits(service, (new.client_id, new.client_secret)).status_code == 200
    with service.store.write() as connection:
        remove_client(connection, "reader", NOW)
    assert traits(service, (new.client_id, new.client_secret)).status_code == 401


@pytest.mark.parametrize(
    "auth", [("", ""), ("x", ""), ("x", "y"), ("client_nobody", "secret"), ("a\0b", "c")], ids=repr
)
def test_unknown_credentials_are_an_authentication_error(lasting: Service, auth: tuple[str, str]) -> None:
    response = traits(lasting, auth)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "authentication_error")
    assert "www-authenticate" in response.headers


def test_a_client_without_the_scope_is_refused(lasting: Service) -> None:
    response = traits(lasting, (lasting.sender.client_id, lasting.sender.client_secret))
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")


def test_the_log_does_not_show_the_address_of_the_url(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with TestClient(create_app(service.settings, clock=service.clock)) as http:
        http.get(f"{EMAIL}/traits", headers=service.headers(service.reader))
        http.get(f"{BASE}/email:ann@example.com/nothing")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    routes = [line["route"] for line in lines if line.get("event") == "request"]
    assert routes[-2].endswith("{id_value:path}/traits")
    assert "ann" not in json.dumps(lines).lower()
