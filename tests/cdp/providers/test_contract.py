"""The contract of every provider: its folder is found, its SELECT maps, its webhook uses its declared secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cdp.providers
from cdp.consent import effects_of
from cdp.providers import load_providers
from cdp.sources import MAPPED, Source
from cdp.warehouse import open_memory
from cdp.webhooks import Secret, UnusableSecret
from tests.cdp.mapping import SOURCES, Item, map_items, rows_with_outcomes
from tests.cdp.providers.payloads import sample_files, sample_items
from tests.cdp.providers.test_fcm import DELIVERY
from tests.cdp.providers.test_segment import TRACK
from tests.cdp.providers.test_sendgrid import SENDGRID
from tests.cdp.providers.test_shopify import CUSTOMER, ORDER
from tests.cdp.providers.test_telegram import member, message
from tests.cdp.providers.test_twilio import INBOUND, LISTED, LOGGED
from tests.cdp.providers.test_whatsapp import body
from tests.cdp.verifying import NOW, PAYLOADS, opened, verifier
from tests.webhook_senders import SECRETS, SENDERS

PROVIDERS = load_providers()
READY = [provider.source for provider in PROVIDERS.values() if provider.source]
every_source = pytest.mark.parametrize("source", READY, ids=lambda source: source.name)


def test_every_folder_is_found() -> None:
    folder = Path(cdp.providers.__file__).parent
    files = [*folder.glob("*/source.py"), *folder.glob("*/send.py")]
    assert PROVIDERS.keys() == {file.parent.name for file in files}


# --- mappings -----------------------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    {},
    [],
    "text",
    7,
    None,
    {"type": "track", "event": {"a": 1}, "userId": [1], "timestamp": {}, "traits": "x", "context": "y"},
    {
        "type": "track",
        "event": "e",
        "userId": "u",
        "timestamp": "290000-01-01T00:00:00Z",
        "sentAt": "infinity",
    },
    {
        **{"type": "track", "event": "e", "userId": "u", "timestamp": "infinity"},
        **{"sentAt": "-infinity", "receivedAt": "infinity"},
    },
    {"event": "open", "email": "a@example.com", "timestamp": "1e300"},
    {"event": "open", "email": "a@example.com", "timestamp": -(10**15)},
    {"MessageSid": "SM1", "From": "+12025550123", "To": "x", "SmsStatus": "received", "DateSent": "infinity"},
    {"object": "whatsapp_business_account", "entry": {"changes": 1}},
    {"entry": [{"changes": [{"value": {"statuses": [{"id": "w", "status": "sent", "timestamp": "1e99"}]}}]}]},
    {"entry": [{"changes": []}, {}, 5]},
    {"object": "page", "entry": [{"messaging": [{"delivery": {"mids": [{}, None], "watermark": "x"}}, 7]}, {}]},
    {"object": "page", "entry": [{"standby": [{"sender": {"id": "1" * 40}, "timestamp": 1e300, "read": {}}]}]},
    {"update_id": {}, "message": {"chat": {"id": -1, "type": "private"}, "date": "1e99", "from": []}},
    {"update_id": 1, "message": [], "my_chat_member": {"chat": 7}},
    {
        "id": 1,
        "total_price": "1e99",
        "created_at": "infinity",
        "refunds": {},
        "customer": [],
        "line_items": 3,
    },
    {"order": None},
    {"message_id": 1, "instance_id": {}, "event": "MESSAGE_DELIVERED", "event_timestamp": "infinity"},
]


@every_source
def test_no_payload_stops_a_mapping_or_is_lost(source: Source) -> None:
    rows = map_items(source.select, HOSTILE)
    assert {row["line_number"] for row in rows} == set(range(1, len(HOSTILE) + 1))


@every_source
def test_a_select_returns_columns_of_the_contract(source: Source) -> None:
    warehouse = open_memory()
    warehouse.run("create table raw (file_id text, line_number bigint, payload json, received_at timestamptz)")
    returned = warehouse.query(f"describe {source.select}")["column_name"].to_list()
    assert set(returned) <= set(MAPPED.column_names())
    assert {"file_id", "line_number", "received_at", "refused", "refused_detail"} <= set(returned)


@pytest.mark.parametrize(
    ("source", "path"),
    [(source, path) for source in READY for path in sample_files() if source.claims_name(path.name)],
    ids=lambda value: value.name,
)
@pytest.mark.slow
def test_every_line_of_the_sample_has_an_outcome(source: Source, path: Path) -> None:
    items = list(sample_items(path))
    rows = rows_with_outcomes(source.select, items)
    assert sum(row["refused"] is not None for row in rows) <= max(5, len(items) // 100)


@pytest.mark.parametrize(
    ("source", "path"),
    [(source, path) for source in READY for path in sample_files() if source.claims_name(path.name)],
    ids=lambda value: value.name,
)
def test_a_source_says_what_its_payloads_call_person_and_time(source: Source, path: Path) -> None:
    items = [item for item, _ in zip(sample_items(path), range(200), strict=False)]
    for row in rows_with_outcomes(source.select, items):
        text = json.dumps(items[row["line_number"] - 1])
        for field in ("person_field", "time_field"):
            # A webhook of a moment says none.
            is_said = any(f'"{name.rpartition(".")[2]}"' in text for name in row[field].split(", "))
            assert is_said or row["occurred_at"] == row["received_at"], row[field]


FIRST_RECORDS = [
    ("sendgrid", SENDGRID),
    ("sendgrid", {**SENDGRID, "type": "bounce", "userId": "u1"}),
    ("twilio", LOGGED),
    ("twilio", {**LISTED, "account_sid": "AC1"}),
    ("twilio", INBOUND),
    ("twilio", {"MessageSid": "SM4", "MessageStatus": "sent", "AccountSid": "AC1"}),
    ("segment", {**TRACK, "messageId": "m"}),
    ("segment", {"type": "identify", "anonymousId": "a", "traits": {}}),
    ("fcm", DELIVERY),
    ("fcm", {"project_number": "1", "message_id": "m", "event": "MESSAGE_ACCEPTED"}),
    ("whatsapp", body()),
    ("telegram", message("hello")),
    ("telegram", member("kicked")),
    ("telegram", {"ok": True, "result": []}),
    ("mailgun", {"signature": {}, "event-data": {}}),
    ("mailgun", {"event": "opened", "id": "e1", "timestamp": 1.5, "log-level": "info", "recipient": "a@example.com"}),
    ("mailgun", {"event": "rejected", "id": "e1", "timestamp": 1.5, "log-level": "warn"}),
    ("postmark", {"RecordType": "Delivery", "MessageID": "m1", "Recipient": "a@example.com"}),
    ("postmark", {"RecordType": "SubscriptionChange", "MessageStream": "news", "Recipient": "a@example.com"}),
    ("ses", {"eventType": "Open", "mail": {}, "open": {}}),
    ("ses", {"notificationType": "Bounce", "mail": {}, "bounce": {}}),
    ("ses", {"Type": "Notification", "MessageId": "m1", "TopicArn": "t", "Message": "{}", "Timestamp": "2026"}),
    ("shopify", {**ORDER, "order_number": 1}),
    ("shopify", {**ORDER, "line_items": []}),
    ("shopify", CUSTOMER),
    ("shopify", {"order": ORDER}),
    ("shopify", {"customer": CUSTOMER}),
]


@pytest.mark.parametrize(("name", "record"), FIRST_RECORDS)
def test_keys_distinguish_the_sources(name: str, record: Item) -> None:
    claims = {source.name: source.claims_keys([frozenset(record)]) for source in SOURCES.values()}
    strongest = claims.pop(name)
    assert strongest > max(claims.values())


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        *(("sendgrid_events-0001.jsonl.gz", "sendgrid"), ("Twilio_messages.csv", "twilio")),
        *(("segment_events.jsonl", "segment"), ("fcm_delivery.jsonl", "fcm"), ("whatsapp.json", "whatsapp")),
        *(("shopify_orders.json", "shopify"), ("mailgun_events.json", "mailgun"), ("postmark.jsonl", "postmark")),
        *(("ses_events.jsonl", "ses"), ("amazon_ses-2026.json.gz", "ses")),
        *(("telegram_updates.jsonl", "telegram"), ("messenger-2026.jsonl", "messenger")),
    ],
)
def test_file_names_distinguish_the_sources(file_name: str, name: str) -> None:
    assert [source.name for source in READY if source.claims_name(file_name)] == [name]


# --- words for lasting failures ---------------------------------------------------------------------------

WORDS = [
    (source, reason, *word)
    for source in READY
    for reason, words in (
        ("hard_bounce", source.failures.permanent),
        ("complaint", source.failures.complained),
        ("stop", source.failures.stopped),
    )
    for word in words
]


@pytest.mark.parametrize(
    ("source", "reason", "name", "word"), WORDS, ids=[f"{source.name}-{name}-{word}" for source, _, name, word in WORDS]
)
def test_a_word_of_a_failure_suppresses_the_address(source: Source, reason: str, name: str, word: str) -> None:
    assert f"'{name}'" in source.select, "the SELECT keeps no such property"
    event = {"event_id": "e", "channel": "sms" if reason == "stop" else "email", "event_type": "rejected"}
    person = {"source": source.name, "email": "ann@example.com", "phone": "+14155550100"}
    said = {**event, **person, "occurred_at": NOW, "properties": json.dumps({name: word.title()})}
    assert [suppression.reason for suppression in effects_of([said]).suppressions] == [reason]


# --- webhooks -----------------------------------------------------------------------------------------------

OWN_SCHEMES = [source for source in READY if source.webhook and source.name in SENDERS]


@every_source
def test_secrets_can_be_named_in_the_environment_and_are_explained(source: Source) -> None:
    for secret in source.webhook.all_secrets() if source.webhook else ():
        assert secret.name.isidentifier() and secret.name == secret.name.lower() and "__" not in secret.name
        assert secret.meaning


@pytest.mark.parametrize(
    ("source", "secret"),
    [(source.name, secret) for source in OWN_SCHEMES if source.webhook for secret in source.webhook.secrets],
)
def test_a_webhook_needs_what_it_declares_and_nothing_else(source: str, secret: Secret) -> None:
    request = SENDERS[source](PAYLOADS[source], NOW)
    declared = {declared.name for declared in SOURCES[source].webhook.secrets}
    enough = {name: value for name, value in SECRETS[source].items() if name in declared}
    assert opened(source, request, checker=verifier({source: enough}))
    too_few = {name: value for name, value in enough.items() if name != secret.name}
    with pytest.raises(UnusableSecret, match=SOURCES[source].webhook.variable(secret)):
        opened(source, request, checker=verifier({source: too_few}))
