from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import yaml

from cdp.access.clients import NewClient
from cdp.products.published import put_products
from cdp.settings import DATA
from tests.api.service import ANN, NOBODY, NOW, Service, assert_problem

ORDER = {"order_id": "A-10042", "tracking_url": "https://post.example.com/t/123"}
SHIPPED = {"to": {"profile_id": ANN}, "template": "order_shipped", "data": ORDER, "channels": ["email"]}
FIELDS = {"message_id", "state", "reason", "channel", "send_at", "expires_at", "decision_id", "reasons", "fallbacks"}


def send(service: Service, body: Any = SHIPPED, path: str = "", **headers: str) -> httpx.Response:
    allowed = service.headers(service.everything)
    return service.http.post(f"/v1/messages{path}", json=body, headers={**allowed, **headers})


def read(service: Service, path: str, **parameters: Any) -> httpx.Response:
    return service.http.get(f"/v1/messages{path}", params=parameters, headers=service.headers(service.everything))


def test_a_message_is_accepted_and_read(service: Service) -> None:
    response = send(service)
    assert response.status_code == 202
    sent = response.json()
    assert sent.keys() == FIELDS
    assert (sent["state"], sent["channel"], sent["send_at"]) == ("queued", "email", "2026-07-01T12:00:00Z")
    found = read(service, f"/{sent['message_id']}").json()
    assert found["profile_id"] == ANN and found["template"] == "order_shipped"
    assert (found["attempts"], found["reports"], found["fallback_id"]) == ([], [], None)
    assert "example.com" not in json.dumps(found)


def test_a_gate_refuses_with_its_reasons(service: Service) -> None:
    response = send(service, {"to": {"profile_id": ANN}, "template": "welcome", "channels": ["email"]})
    assert response.status_code == 200
    sent = response.json()
    assert (sent["state"], sent["reason"], sent["channel"]) == ("refused", "missing", None)
    assert sent["reasons"][-1]["gate"] == "consent"
    nobody = send(service, {**SHIPPED, "to": {"profile_id": NOBODY}}).json()
    assert (nobody["state"], nobody["reason"]) == ("refused", "unknown_person")


WRONG = (
    # a change of the request, the status and code of the problem, words in it
    ({"template": "no_such"}, 422, "input_refused", "unknown template. Templates are"),
    ({"data": {}}, 422, "content_refused", "data.order_id is missing"),
    ({"data": {**ORDER, "x": 1}}, 422, "content_refused", "the template does not know"),
    ({"data": {**ORDER, "order_id": "9" * 21}}, 422, "content_refused", "21 characters; the template allows 20"),
    ({"data": {**ORDER, "order_id": ""}}, 422, "content_refused", "data.order_id is empty"),
    ({"data": {**ORDER, "order_id": {"a": 1}}}, 422, "content_refused", "is not what the template's example is"),
    ({"data": {**ORDER, "order_id": True}}, 422, "content_refused", "is not what the template's example is"),
    ({"data": {**ORDER, "order_id": "a\0b"}}, 422, "content_refused", "the character NUL"),
    ({"channels": ["whatsapp"]}, 422, "content_refused", "no words for any of the channels"),
    ({"purpose": "advertising"}, 422, "input_refused", "unknown purpose"),
    ({"deadline": "2026-07-01T11:00:00Z"}, 422, "input_refused", "the deadline has passed"),
    ({"template": None}, 422, "invalid_request", ""),
    ({"content": {"text": "hi"}}, 422, "invalid_request", ""),
    ({"to": {}}, 422, "invalid_request", ""),
    ({"surprise": 1}, 422, "invalid_request", ""),
    ({"offer": {"scope": "x", "price": "1.00"}}, 422, "invalid_request", ""),
)


@pytest.mark.parametrize(("change", "status", "code", "words"), WRONG)
def test_what_is_wrong_is_one_clear_problem_and_nothing_is_queued(
    service: Service, change: dict[str, Any], status: int, code: str, words: str
) -> None:
    response = send(service, {**SHIPPED, **change})
    assert_problem(response, status, code)
    assert words in response.json()["message"]
    assert read(service, "").json()["messages"] == []


def test_one_off_content(service: Service) -> None:
    content = {"subject": "Hello", "text": "Your parcel waits"}
    sent = send(service, {"to": {"profile_id": ANN}, "content": content, "purpose": "transactional"})
    assert (sent.status_code, sent.json()["channel"]) == (202, "email")


def test_a_batch_has_an_outcome_each(service: Service) -> None:
    batch = {"messages": [SHIPPED, {**SHIPPED, "template": "no_such"}, {**SHIPPED, "to": {"profile_id": NOBODY}}]}
    response = send(service, batch, "/batch")
    assert response.status_code == 202
    states = [one["state"] for one in response.json()["messages"]]
    assert states == ["queued", "invalid", "refused"]
    assert response.json()["messages"][1]["message"].startswith("unknown template")


SHAPES: tuple[tuple[Any, str | None, str], ...] = (
    # an item of a batch, the field that is wrong, words of the problem
    ({"template": "order_shipped"}, "to", "Field required"),
    ({**SHIPPED, "to": {}}, "to", "give either profile_id or identifiers"),
    ({**SHIPPED, "to": {"identifiers": [{"type": "email"}]}}, "to.identifiers.0.value", "Field required"),
    ({**SHIPPED, "template": None}, None, "give either a template or content"),
    ({**SHIPPED, "channels": ["fax"]}, "channels.0", "Input should be"),
    ({**SHIPPED, "surprise": 1}, "surprise", "Extra inputs are not permitted"),
    ({**SHIPPED, "data": {"order_id": float("nan")}}, "data", "finite numbers"),
    ({**SHIPPED, "data": {"order_id": "\ud800"}}, "data", "valid Unicode"),
    ("ann@example.com", None, "Input should be"),
    (None, None, "Input should be"),
    ([SHIPPED], None, "Input should be"),
)


def deep(levels: int) -> str:
    """A message whose data are this deep, as text: deeper than this process would write."""
    return json.dumps({**SHIPPED, "data": {"order_id": "here"}}).replace('"here"', "[" * levels + "]" * levels)


def test_what_is_no_message_has_an_outcome_of_its_own(service: Service) -> None:
    texts = [json.dumps(item) for item, _, _ in SHAPES] + [deep(100), deep(700), deep(3_000)]
    expected = [(field, words) for _, field, words in SHAPES] + [("data", "100 levels")] * 3
    body = f'{{"messages": [{", ".join([json.dumps(SHIPPED), *texts, json.dumps(SHIPPED)])}]}}'
    headers = {**service.headers(service.everything), "Content-Type": "application/json"}
    for key in ({}, {"Idempotency-Key": "k"}):
        response = service.http.post("/v1/messages/batch", content=body, headers=headers | key)
        assert response.status_code == 202, response.text
        first, *invalid, last = response.json()["messages"]
        assert (first["state"], last["state"]) == ("queued", "queued")
        for index, (found, (field, words)) in enumerate(zip(invalid, expected, strict=True), start=1):
            told = {**found, "message": ""}
            code = "invalid_request"
            assert told == {"state": "invalid", "index": index, "field": field, "code": code, "message": ""}
            assert words in found["message"] and "example.com" not in found["message"]
    again = service.http.post("/v1/messages/batch", content=body, headers=headers | key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (response.json(), "true")
    other = service.http.post("/v1/messages/batch", content=body.replace("fax", "pax"), headers=headers | key)
    assert_problem(other, 422, "idempotency_key_reused")
    assert len(read(service, "").json()["messages"]) == 4


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff", b'{"messages": {}}', b'{"messages": []}', b'{"messages": [1], "more": 1}'),
        json.dumps({"messages": [SHIPPED] * 1_001}).encode(),
        json.dumps({"messages": [1] * 1_001}).encode(),
    ],
    ids=range(10),
)
def test_what_is_no_batch_is_refused_as_a_whole(lasting: Service, body: bytes) -> None:
    headers = {**lasting.headers(lasting.everything), "Content-Type": "application/json"}
    response = lasting.http.post("/v1/messages/batch", content=body, headers=headers)
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
@pytest.mark.parametrize("levels", [100, 700, 3_000])
def test_data_that_are_too_deep_are_refused(lasting: Service, levels: int, key: dict[str, str]) -> None:
    headers = {**lasting.headers(lasting.everything), "Content-Type": "application/json", **key}
    response = lasting.http.post("/v1/messages", content=deep(levels), headers=headers)
    assert_problem(response, 422, "invalid_request")
    assert "body.data" in response.json()["message"]


def test_the_same_key_is_the_same_message(service: Service) -> None:
    first, again = (send(service, **{"Idempotency-Key": "k-1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["message_id"] == again.json()["message_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = send(service, {**SHIPPED, "urgency": "high"}, **{"Idempotency-Key": "k-1"})
    assert_problem(other, 422, "idempotency_key_reused")
    batch = {"messages": [SHIPPED, {**SHIPPED, "template": "no_such"}] * 60}
    one, two = (send(service, batch, "/batch", **{"Idempotency-Key": "k-2"}).json() for _ in range(2))
    assert one == two
    assert len(read(service, "", limit=200).json()["messages"]) == 61


def test_a_repeat_gets_the_first_answer_whatever_has_become_of_the_message(service: Service) -> None:
    later = {**SHIPPED, "at": (NOW + timedelta(hours=1)).isoformat()}
    first = send(service, later, **{"Idempotency-Key": "k-1"})
    send(service, None, f"/{first.json()['message_id']}/cancel")
    again = send(service, later, **{"Idempotency-Key": "k-1"})
    assert (again.status_code, again.content) == (first.status_code, first.content)


OFFERS = [{"scope": "skis", "price": price, "currency": "CHF"} for price in ("499.00", "399.00")]


def test_a_repeat_of_a_batch_whose_messages_supersede_each_other_gets_the_first_answer(
    store_url: str, tmp_path: Path
) -> None:
    rules = tmp_path / "policy.yaml"
    shipped = yaml.safe_load((DATA / "policy.yaml").read_text(encoding="utf-8"))
    rules.write_text(yaml.safe_dump({**shipped, "offers": {"on_conflict": "supersede", "open_ended_days": 30}}))
    service = Service(tmp_path / "home", store_url, policy=rules)
    service.publish()
    batch = {"messages": [{**SHIPPED, "offer": offer} for offer in OFFERS]}
    first, again = (send(service, batch, "/batch", **{"Idempotency-Key": "k-1"}) for _ in range(2))
    assert [one["state"] for one in first.json()["messages"]] == ["cancelled", "queued"]
    assert again.content == first.content
    service.close()


def test_a_hundred_posts_of_one_key_at_once_are_one_message(service: Service) -> None:
    headers = {**service.headers(service.everything), "Idempotency-Key": "once"}
    with ThreadPoolExecutor(20) as pool:
        posts = [pool.submit(service.http.post, "/v1/messages", json=SHIPPED, headers=headers) for _ in range(100)]
        found = {post.result().json()["message_id"] for post in posts}
    assert len(found) == 1
    assert len(read(service, "").json()["messages"]) == 1


def test_a_dry_run_decides_and_renders_and_writes_nothing(service: Service) -> None:
    response = send(service, {**SHIPPED, "channels": ["email", "sms"]}, "?dry_run=true")
    assert response.status_code == 200
    found = response.json()
    assert (found["allowed"], found["channel"]) == (True, "email")
    mail, sms = found["previews"]
    assert mail["content"]["subject"] == "Your order A-10042 is on its way" and mail["byte_count"] > 1_000
    assert (sms["encoding"], sms["segments"], sms["problem"]) == ("GSM-7", 1, None)
    assert "A-10042" in sms["content"]["text"]
    assert read(service, "").json()["messages"] == []


def test_cancelling(service: Service) -> None:
    later = {**SHIPPED, "at": (NOW + timedelta(hours=1)).isoformat()}
    message_id = send(service, later).json()["message_id"]
    for _ in range(2):
        cancelled = send(service, None, f"/{message_id}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert_problem(send(service, None, "/msg_" + "0" * 26 + "/cancel"), 404, "not_found")


def test_a_client_cancels_no_message_of_another(service: Service) -> None:
    later = {**SHIPPED, "at": (NOW + timedelta(hours=1)).isoformat()}
    message_id = send(service, later).json()["message_id"]
    other = service.headers(service.add_client("other", "messages:send"))
    assert_problem(service.http.post(f"/v1/messages/{message_id}/cancel", headers=other), 404, "not_found")
    assert read(service, f"/{message_id}").json()["state"] == "queued"


def test_one_message_and_a_batch_of_it_are_two_requests(service: Service) -> None:
    headers = {**service.headers(service.everything), "Idempotency-Key": "k"}
    assert service.http.post("/v1/messages", json=SHIPPED, headers=headers).status_code == 202
    answer = service.http.post("/v1/messages/batch", json={"messages": [SHIPPED]}, headers=headers)
    assert_problem(answer, 422, "idempotency_key_reused")


def test_a_number_may_stand_where_the_template_has_a_text(service: Service) -> None:
    assert send(service, {**SHIPPED, "data": {**ORDER, "order_id": 10042}}).status_code == 202


def test_lists_by_campaign_person_and_state_a_page_at_a_time(service: Service) -> None:
    for number in range(5):
        send(service, {**SHIPPED, "campaign": "spring" if number < 3 else "autumn"})
        service.clock.advance(seconds=1)
    assert len(read(service, "", campaign="spring").json()["messages"]) == 3
    assert len(read(service, "", profile_id=ANN, state="queued").json()["messages"]) == 5
    assert read(service, "", state="delivered").json()["messages"] == []
    pages, cursor = [], {}
    while True:
        page = read(service, "", limit=2, **cursor).json()
        pages.append([one["created_at"] for one in page["messages"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    times = [at for page in pages for at in page]
    assert len(times) == 5 and times == sorted(times, reverse=True)
    assert_problem(read(service, "", cursor="x"), 400, "wrong_use")


def test_who_may_send_may_do_nothing_else(service: Service) -> None:
    only: NewClient = service.add_client("shop", "messages:send")
    headers = service.headers(only)
    sent = service.http.post("/v1/messages", json=SHIPPED, headers=headers)
    assert sent.status_code == 202
    document = service.http.get("/openapi.json").json()
    allowed = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scopes = [scope for one in operation.get("security", ()) for found in one.values() for scope in found]
            if not scopes:
                continue
            url = path.replace("{message_id}", sent.json()["message_id"]).replace("{", "").replace("}", "")
            status = service.http.request(method, url, headers=headers, json={}).status_code
            if status not in (401, 403):
                allowed.append((method, path, scopes))
    assert all("messages:send" in scopes for _, _, scopes in allowed), allowed
    assert {path.split("/")[2] for _, path, _ in allowed} == {"messages", "broadcasts"}


def test_a_lone_surrogate_is_refused(service: Service) -> None:
    headers = {**service.headers(service.everything), "Content-Type": "application/json"}
    for body in (
        {**SHIPPED, "data": {**ORDER, "order_id": "\ud800"}},
        {"to": {"profile_id": ANN}, "purpose": "transactional", "content": {"text": "\ud800", "subject": "x"}},
    ):
        response = service.http.post("/v1/messages", content=json.dumps(body), headers=headers)
        assert response.status_code == 422, response.text


def test_a_dry_run_shows_the_person_only_to_who_may_read_profiles(service: Service) -> None:
    headers = service.headers(service.add_client("shop", "messages:send"))
    body = {"to": {"profile_id": ANN}, "template": "welcome", "purpose": "transactional"}
    for allowed, name in ((headers, "Sam"), (service.headers(service.everything), "Ann")):
        found = service.http.post("/v1/messages?dry_run=true", json=body, headers=allowed).json()
        assert name in found["previews"][0]["content"]["subject"]


def test_a_dry_run_shows_how_to_stop_where_the_message_will(service: Service) -> None:
    body = {"to": {"profile_id": ANN}, "template": "welcome", "channels": ["email", "sms"]}
    mail, sms = send(service, body, "?dry_run=true").json()["previews"]
    assert "List-Unsubscribe" in mail["content"]["headers"] and "cdp.example.com/u/example" in mail["content"]["text"]
    assert sms["content"]["text"].endswith("Abmelden mit STOP")


def test_a_dry_run_shows_the_persons_products_to_who_may_read_profiles(service: Service) -> None:
    document = {"name": "Rope", "url": "https://x.example/rope", "prices": {"CHF": "9.50"}, "goes_with": []}
    columns = ("key", "product_id", "document", "document_hash", "season_rank")
    row = ("rope", "rope", json.dumps(document), "hash", 1)
    with service.store.write() as connection:
        put_products(connection, pl.DataFrame([row], schema=columns, orient="row"))
    headers = service.headers(service.add_client("shop", "messages:send"))
    body = {"to": {"profile_id": ANN}, "template": "welcome", "purpose": "transactional"}
    for allowed, line in (
        (headers, "- Trail shoes, 89.90 EUR (https://shop.example.com/p/1)"),
        (service.headers(service.everything), "- Rope, 9.50 CHF (https://x.example/rope)"),
    ):
        found = service.http.post("/v1/messages?dry_run=true", json=body, headers=allowed).json()
        lines = found["previews"][0]["content"]["text"].splitlines()
        assert [one for one in lines if re.search(r", [\d.]+ [A-Z]{3} \(", one)] == [line]
