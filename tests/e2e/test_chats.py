"""Telegram and Messenger whole: from a webhook to a profile that is served, a message to it, and what becomes of it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cdp.providers.test_messenger import PSID, body, event
from tests.cdp.providers.test_telegram import contact, member, message
from tests.delivery.fakes import Fault, Providers
from tests.delivery.fakes import messenger as fake_messenger
from tests.delivery.fakes import serving as providers_serving
from tests.delivery.fakes import telegram as fake_telegram
from tests.e2e.command import Command, cdp, serving, token

pytestmark = pytest.mark.long

CHAT = "1111111"
SCOPES = ("messages:send", "messages:read", "profiles:read", "consents:read")


@dataclass
class Company:
    """A running server with both platforms, and the platforms' side of it."""

    home: Path
    url: str
    providers: Providers
    headers: dict[str, str]
    sent: int = field(default=0)

    def telegram(self, update: dict[str, Any]) -> None:
        update = {**update, "update_id": time.time_ns() % 10**9}
        for what in ("message", "my_chat_member"):
            if what in update:
                update[what] = {**update[what], "date": int(time.time()), "message_id": time.time_ns() % 10**9}
        self._post("telegram", json.dumps(update).encode(), {"X-Telegram-Bot-Api-Secret-Token": "bot-secret"})

    def messenger(self, *events: dict[str, Any]) -> None:
        text = json.dumps(body(*({**one, "timestamp": time.time_ns() // 10**6} for one in events))).encode()
        signature = hmac.digest(b"app secret", text, hashlib.sha256).hex()
        self._post("messenger", text, {"X-Hub-Signature-256": f"sha256={signature}"})

    def _post(self, source: str, content: bytes, headers: dict[str, str]) -> None:
        answer = httpx.post(f"{self.url}/webhooks/{source}", content=content, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["rejected"]) == (200, 0), answer.text

    def profile(self, kind: str, value: str) -> dict[str, Any]:
        found = self.post("/v1/profiles/lookup", {"identifiers": [{"type": kind, "value": value}]}).json()
        path = f"/v1/profiles/{found['profile_id']}?include=preferences,identity,consent"
        profile: dict[str, Any] = httpx.get(f"{self.url}{path}", headers=self.headers, timeout=30).json()
        return profile

    def send(self, kind: str, value: str, channel: str, purpose: str = "marketing") -> dict[str, Any]:
        """A message in the state that it comes to at once: refused, or in the hands of its provider."""
        self.sent += 1
        to = {"identifiers": [{"type": kind, "value": value}]}
        wanted = {"to": to, "content": {"text": f"News {self.sent}"}, "channels": [channel], "purpose": purpose}
        posted = self.post("/v1/messages", wanted).json()
        return self.until(posted["message_id"], lambda one: one["state"] not in ("queued", "sending"))

    def until(self, message_id: str, is_done: Any) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while True:
            path = f"{self.url}/v1/messages/{message_id}"
            found: dict[str, Any] = httpx.get(path, headers=self.headers, timeout=30).json()
            if is_done(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def post(self, path: str, content: dict[str, Any]) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=content, headers=self.headers, timeout=30)

    def run(self) -> None:
        done = cdp(self.home, "run")
        assert done.exit_code == 0, done.stderr


@pytest.fixture
def company(home: Path) -> Iterator[Company]:
    home.mkdir()
    with providers_serving(Providers()) as providers:
        # Caps are another matter.
        shipped = (Path(__file__).resolve().parents[2] / "data" / "policy.yaml").read_text()
        policy = home.parent / "policy.yaml"
        policy.write_text(shipped.replace("per_day: 1, per_week: 4", "per_day: 9, per_week: 9"))
        settings = {
            "CDP_POLICY": str(policy),
            "CDP_WEBHOOKS__TELEGRAM__SECRET_TOKEN": "bot-secret",
            "CDP_WEBHOOKS__MESSENGER__APP_SECRET": "app secret",
            "CDP_PROVIDERS__TELEGRAM__TOKEN": fake_telegram.TOKEN,
            "CDP_PROVIDERS__TELEGRAM__BASE_URL": providers.url_of("telegram"),
            "CDP_PROVIDERS__MESSENGER__ACCESS_TOKEN": fake_messenger.TOKEN,
            "CDP_PROVIDERS__MESSENGER__PAGE_ID": fake_messenger.PAGE,
            "CDP_PROVIDERS__MESSENGER__BASE_URL": providers.url_of("messenger"),
        }
        scopes = [option for scope in SCOPES for option in ("--scope", scope)]
        client = json.loads(cdp(home, "clients", "add", "shop", *scopes, "--json").stdout)
        with serving(home, **settings) as url:
            yield Company(home, url, providers, {"Authorization": f"Bearer {token(url, client)}"})


def states(profile: dict[str, Any], channel: str) -> tuple[bool, str]:
    """Whether a channel reaches the person, and the consent to advertising on it."""
    [preference] = [one for one in profile["preferences"] if one["channel"] == channel]
    [consent] = [one for one in profile["consent"] if (one["channel"], one["purpose"]) == (channel, "marketing")]
    return preference["reachable"], consent["state"]


def a_second_later() -> None:
    """Telegram knows whole seconds: within one, who withholds consent is right."""
    time.sleep(1.1)


def test_telegram(company: Company) -> None:
    company.telegram(message("/start"))
    company.telegram(contact(int(CHAT)))
    profile = company.profile("telegram_chat", CHAT)
    held = {(one["type"], one["value"]) for one in profile["identifiers"]}
    assert held == {("telegram_chat", CHAT), ("phone", "+41790000001")}
    assert profile["traits"]["language"] == "de"
    assert states(profile, "telegram") == (True, "granted")

    sent = company.send("telegram_chat", CHAT, "telegram")
    assert (sent["state"], sent["reports"]) == ("accepted", [])
    [taken] = company.providers.taken
    assert (taken.address, taken.content["text"]) == (CHAT, "News 1")

    # The person blocks the bot, and unblocks it: advertising needs a new start.
    company.telegram(member("kicked"))
    assert company.send("telegram_chat", CHAT, "telegram", "transactional")["reason"] == "stop"
    company.run()
    assert company.profile("telegram_chat", CHAT)["profile_id"] == profile["profile_id"]
    assert states(company.profile("telegram_chat", CHAT), "telegram") == (False, "withdrawn")
    a_second_later()
    company.telegram(member("member", "kicked"))
    assert company.send("telegram_chat", CHAT, "telegram", "transactional")["state"] == "accepted"
    assert company.send("telegram_chat", CHAT, "telegram")["reason"] == "withdrawn"
    a_second_later()
    company.telegram(message("/start"))
    assert company.send("telegram_chat", CHAT, "telegram")["state"] == "accepted"
    company.run()
    assert states(company.profile("phone", "+41790000001"), "telegram") == (True, "granted")

    # Telegram says that the chat is gone before it says why; whoever starts the bot again is back.
    company.providers.faults = [Fault("reply", fake_telegram.error(403, "Forbidden: bot was blocked by the user"))]
    assert company.send("telegram_chat", CHAT, "telegram", "transactional")["reason"] == "http_403_blocked"
    assert company.send("telegram_chat", CHAT, "telegram", "transactional")["reason"] == "hard_bounce"
    a_second_later()
    company.telegram(message("/start"))
    assert company.send("telegram_chat", CHAT, "telegram", "transactional")["state"] == "accepted"


def test_messenger(company: Company) -> None:
    company.messenger(event(message={"mid": "m_1", "text": "START"}), event(message={"mid": "m_2", "text": "hello"}))
    profile = company.profile("messenger_psid", PSID)
    assert [(one["type"], one["value"]) for one in profile["identifiers"]] == [("messenger_psid", PSID)]
    assert states(profile, "messenger") == (True, "granted")

    sent = company.send("messenger_psid", PSID, "messenger")
    assert sent["state"] == "accepted"
    [taken] = company.providers.taken
    assert (taken.message_id, taken.address) == (sent["message_id"], PSID)
    assert taken.content["message"]["text"] == "News 1"
    page = {"sender": {"id": fake_messenger.PAGE}, "recipient": {"id": PSID}}
    mid = sent["provider_id"]
    company.messenger(event(**page, message={"is_echo": True, "mid": mid, "metadata": sent["message_id"]}))
    assert company.until(sent["message_id"], lambda one: one["state"] == "sent")
    company.messenger(event(delivery={"mids": [mid], "watermark": time.time_ns() // 10**6}))
    company.messenger(event(read={"watermark": time.time_ns() // 10**6}))
    found = company.until(sent["message_id"], lambda one: one["opened_at"])
    assert [one["event_type"] for one in found["reports"]] == ["sent", "delivered", "opened"]

    # A run takes what was written out of the live layer, and the chat stays open.
    company.run()
    assert company.send("messenger_psid", PSID, "messenger")["state"] == "accepted"
    company.messenger(event(message={"mid": "m_3", "text": "stop"}))
    assert company.send("messenger_psid", PSID, "messenger", "transactional")["reason"] == "stop"


def test_updates_that_were_fetched_are_read_from_a_file(command: Command, tmp_path: Path) -> None:
    log = tmp_path / "log.json"  # a name that says nothing: its keys tell whose it is
    log.write_text(json.dumps({"ok": True, "result": [message("/start"), message("hello", message_id=1366)]}))
    report = json.loads(command("run", str(log), "--json").stdout)
    assert (report["events"], report["rejected"], report["profiles"]) == (2, 0, 1)
    query = "select type, value from identity.identifiers"
    assert json.loads(command("sql", query, "--format", "json").stdout) == [{"type": "telegram_chat", "value": CHAT}]
