"""The providers of webhooks on the command line: what is set, and their logs as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command import Command

TOKEN = "d41d8cd98f00b204e9800998ecf8427e"

LOGS = {
    # A page of Mailgun's Events API.
    "page.json": {
        "items": [
            {
                **{"event": "opened", "id": "e1", "log-level": "info", "timestamp": 1767261600.5},
                **{"recipient": "ann@example.com", "client-info": {"bot": "apple"}},
            },
            {
                **{"event": "unsubscribed", "id": "e2", "log-level": "info", "timestamp": 1767261700.5},
                "recipient": "ann@example.com",
            },
        ],
        "paging": {"next": "https://api.mailgun.net/v3/example.org/events/abc"},
    },
    "hooks.json": {
        "RecordType": "Delivery",
        "MessageID": "m1",
        "Recipient": "Ann@Example.com",
        "DeliveredAt": "2026-01-02",
    },
    "firehose.json": {
        "eventType": "Send",
        "mail": {
            **{"messageId": "m2", "timestamp": "2026-01-03T10:00:00Z"},
            "destination": ["ann@example.com", "bob@example.com"],
        },
    },
}


def test_sources_list_webhooks_and_missing_secrets(command: Command) -> None:
    answer = command("sources", CDP_WEBHOOKS__TWILIO__AUTH_TOKEN=TOKEN, CDP_WEBHOOKS__POSTMARK__USERNAME="user")
    rows = [line.split(maxsplit=2) for line in answer.stdout.splitlines() if line.startswith("/webhooks/")]
    secrets = {(path, variable): state.strip() for path, variable, state in rows}
    assert secrets["/webhooks/twilio", "CDP_WEBHOOKS__TWILIO__AUTH_TOKEN"] == "set"
    assert secrets["/webhooks/postmark", "CDP_WEBHOOKS__POSTMARK__USERNAME"] == "set"
    assert secrets["/webhooks/postmark", "CDP_WEBHOOKS__POSTMARK__PASSWORD"] == "not set"
    assert secrets["/webhooks/shopify", "CDP_WEBHOOKS__SHOPIFY__SECRET"] == "not set"
    assert not any(path in ("/webhooks/contacts", "/webhooks/events") for path, _ in secrets)
    assert TOKEN not in answer.stdout


def test_secrets_in_force_are_shown_masked_with_their_origin(command: Command) -> None:
    old = {"CDP_WEBHOOKS__TWILIO__AUTH_TOKEN_PREVIOUS": f"old {TOKEN}"}
    answer = command("config", CDP_WEBHOOKS__TWILIO__AUTH_TOKEN=TOKEN, **old)
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert ["CDP_WEBHOOKS__TWILIO__AUTH_TOKEN", "***", "environment"] in rows
    assert ["CDP_WEBHOOKS__TWILIO__AUTH_TOKEN_PREVIOUS", "***", "environment"] in rows
    assert ["CDP_WEBHOOKS__MAILGUN__SIGNING_KEY_PREVIOUS", "not", "set", "default"] in rows
    assert ["CDP_WEBHOOKS__MAILGUN__SIGNING_KEY", "not", "set", "default"] in rows
    assert TOKEN not in answer.stdout


@pytest.mark.parametrize(
    "arguments", [("config",), ("sources",), ("status",), ("clients", "list"), ("run",)], ids=lambda given: given[0]
)
def test_a_misspelt_secret_stops_any_command(command: Command, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments, CDP_WEBHOOKS__TWILIO__TOKEN=TOKEN)
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "CDP_WEBHOOKS__TWILIO__TOKEN" in answer.error and "auth_token" in answer.error and TOKEN not in answer.error


def test_logs_of_mailgun_postmark_and_amazon_are_detected_by_their_keys(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, content in LOGS.items():
        (folder / name).write_text(json.dumps(content))
    answer = command("run", str(folder), "--json")
    assert answer.exit_code == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["events"], report["rejected"], report["profiles"]) == (5, 0, 2)
    query = "select source, event_type, is_machine from conformed.events order by occurred_at, event_type"
    events = [tuple(row.values()) for row in json.loads(command("sql", query, "--format", "json").stdout)]
    assert events == [
        ("mailgun", "opened", True),
        ("mailgun", "unsubscribed", False),
        ("postmark", "delivered", False),
        *[("ses", "sent", False)] * 2,
    ]
    query = "select source, channel, state, scope, method from conformed.consents"
    [consent] = json.loads(command("sql", query, "--format", "json").stdout)
    assert tuple(consent.values()) == ("mailgun", "email", "withdrawn", "channel", "unsubscribed")
