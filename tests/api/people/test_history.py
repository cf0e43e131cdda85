"""A profile's events and the evidence behind it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest

from api.people.schemas import Events, IdentityAnswer
from tests.api.service import ANN, BOB, NOBODY, NOW, OLD, Service, assert_problem
from tests.api.warehouse import BOBS, CRM, EVENTS, PUSH, SHOP, event, event_id, publish_warehouse
from tests.cdp.store_urls import on_sqlite

# History is read from the warehouse.
pytestmark = [on_sqlite, pytest.mark.slow]


@pytest.fixture
def published(service: Service) -> Service:
    publish_warehouse(service.settings)
    return service


def pages(service: Service, path: str, limit: int) -> list[list[int]]:
    """The numbers of the events on each page."""
    found, cursor = [], ""
    while True:
        page = service.get(path, limit=str(limit), cursor=cursor).json()
        found.append([int(one["event_id"], 16) for one in page["events"]])
        cursor = page["next_cursor"]
        if not cursor:
            return found


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1, [[4], [3], [2], [1], [0]]), (2, [[4, 3], [2, 1], [0]]), (5, [[4, 3, 2, 1, 0]]), (500, [[4, 3, 2, 1, 0]])],
)
def test_events_come_newest_first_each_on_one_page(lasting: Service, limit: int, expected: list[list[int]]) -> None:
    assert pages(lasting, f"/v1/profiles/{ANN}/events", limit) == expected


def test_an_event_names_its_line(lasting: Service) -> None:
    page = lasting.get(f"/v1/profiles/{ANN}/events").json()
    Events.model_validate(page)
    order = page["events"][2]
    assert (order["event_type"], order["amount"], order["currency"]) == ("ordered", "12.50", "CHF")
    assert (order["file"], order["line_number"]) == ("sendgrid.jsonl", 3)
    assert page["events"][3]["properties"] == {"url": "x"}


def test_a_publish_between_two_pages_neither_repeats_nor_loses_an_event(published: Service) -> None:
    path = f"/v1/profiles/{ANN}/events"
    first = published.get(path, limit="3").json()
    publish_warehouse(published.settings, [*EVENTS, event(20, NOW), event(21, NOW - timedelta(days=9))])
    second = published.get(path, limit="3", cursor=first["next_cursor"]).json()
    assert [one["event_id"] for one in second["events"]] == [event_id(1), event_id(0), event_id(21)]
    assert published.get(path, limit="1").json()["events"][0]["event_id"] == event_id(20)


def test_a_retired_id_has_the_history_of_its_survivor(lasting: Service) -> None:
    for what in ("events", "identity"):
        found = lasting.get(f"/v1/profiles/{OLD}/{what}").json()
        assert (found["profile_id"], found["retired_id"], found["merged_into"]) == (ANN, OLD, ANN)


@pytest.mark.parametrize("cursor", ["x", "é", "W10", "WzEsMl0", "WyJhIiwiYiJd", "IiI", "bnVsbA", "A" * 200])
def test_a_made_up_cursor_is_refused(lasting: Service, cursor: str) -> None:
    assert_problem(lasting.get(f"/v1/profiles/{ANN}/events", cursor=cursor), 400, "wrong_use")


@pytest.mark.parametrize("limit", ["0", "501", "x", "1e3"])
def test_a_limit_out_of_bounds_is_refused(lasting: Service, limit: str) -> None:
    assert_problem(lasting.get(f"/v1/profiles/{ANN}/events", limit=limit), 422, "invalid_request")


@pytest.mark.parametrize("what", ["events", "identity"])
def test_nobody_has_no_history(lasting: Service, what: str) -> None:
    assert_problem(lasting.get(f"/v1/profiles/{NOBODY}/{what}"), 404, "not_found")


@pytest.mark.parametrize("what", ["events", "identity"])
def test_before_the_first_publish_history_is_not_available(service: Service, what: str) -> None:
    response = service.get(f"/v1/profiles/{ANN}/{what}")
    assert_problem(response, 503, "unavailable")
    assert "`cdp run`" in response.json()["detail"]
    assert int(response.headers["retry-after"]) > 0


def test_a_profile_is_made_of_observations(lasting: Service) -> None:
    found = lasting.get(f"/v1/profiles/{ANN}/identity").json()
    IdentityAnswer.model_validate(found)
    assert [member["observation_id"] for member in found["members"]] == [CRM, SHOP, PUSH]
    assert found["members"][1]["identifiers"] == [
        {"type": "email", "value": "ann@example.com"},
        {"type": "phone", "value": "+14155550100"},
    ]
    assert "path" not in found


def steps(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(step["left_observation"], step["rule"], step["right_observation"]) for step in found["path"]]


def test_two_observations_are_joined_by_the_strongest_chain(lasting: Service) -> None:
    path = f"/v1/profiles/{ANN}/identity"
    found = lasting.get(path, left_observation=PUSH, right_observation=SHOP).json()
    assert steps(found) == [(PUSH, "customer_id", CRM), (CRM, "email", SHOP)]
    assert lasting.get(path, left_observation=CRM, right_observation=CRM).json()["path"] == []


def test_two_identifiers_are_joined_by_the_strongest_chain(lasting: Service) -> None:
    body = {
        "left": {"type": "phone", "value": "(415) 555-0100"},
        "right": {"type": "device_token", "value": "dQw4w9WgXcQ"},
    }
    found = lasting.http.post(f"/v1/profiles/{ANN}/identity", json=body, headers=lasting.headers(lasting.reader)).json()
    assert steps(found) == [(SHOP, "email", CRM), (CRM, "customer_id", PUSH)]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"left_observation": CRM}, 400, "wrong_use"),
        ({"left_observation": CRM, "right_observation": BOBS}, 404, "not_found"),
        ({"left_observation": CRM, "right_observation": "ann@example.com"}, 422, "invalid_request"),
    ],
)
def test_a_path_needs_two_of_its_own_observations(
    lasting: Service, asked: dict[str, str], status: int, code: str
) -> None:
    assert_problem(lasting.get(f"/v1/profiles/{ANN}/identity", **asked), status, code)


def test_an_identifier_of_somebody_else_is_not_found(lasting: Service) -> None:
    body = {"left": {"type": "email", "value": "ann@example.com"}, "right": {"type": "phone", "value": "4155550100"}}
    response = lasting.http.post(f"/v1/profiles/{BOB}/identity", json=body, headers=lasting.headers(lasting.reader))
    assert_problem(response, 404, "not_found")


def test_the_warehouse_is_opened_once_a_publish(published: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    from api import published as module

    really_open = module.open_published
    monkeypatch.setattr(module, "open_published", lambda settings: opened.append(os.getpid()) or really_open(settings))
    for _ in range(3):
        published.get(f"/v1/profiles/{ANN}/events")
    publish_warehouse(published.settings)
    published.get(f"/v1/profiles/{ANN}/events")
    assert len(opened) == 2
