"""What a published document holds of the person's messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdp.people.document import ProfileDocument
from cdp.people.lookup import resolve
from cdp.people.reading import read_people
from cdp.settings import Settings
from cdp.store import open_store
from tests.cdp.providers import test_messenger as messenger
from tests.cdp.providers import test_telegram as telegram
from tests.pipelines.runs import NOW, run, settings_in, write_lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ungated")]


def published(settings: Settings, kind: str, value: str) -> ProfileDocument:
    store = open_store(settings.effective_store_url)
    with store.read() as connection:
        [profile_id] = resolve(connection, [((kind, value),)])
        assert profile_id
        document = read_people(connection, {profile_id})[profile_id].document
    store.close()
    return document


def written(text: str, at: datetime) -> dict[str, Any]:
    seconds = int(at.timestamp())
    event = messenger.message(text) | {"timestamp": seconds * 1000}
    return messenger.body(event | {"message": {"mid": f"m_{seconds}", "text": text}})


def test_it_says_when_the_person_last_wrote_in_a_chat_that_closes(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    log = [written(text, NOW - timedelta(hours=hours)) for text, hours in (("hello", 9), ("where?", 2), ("STOP", 1))]
    run(settings, write_lines(tmp_path / "in" / "messenger.jsonl", log))
    assert published(settings, "messenger_psid", messenger.PSID).get("last_replies") == [
        {"channel": "messenger", "replied_at": "2026-11-20T10:00:00.000Z"}
    ]


def test_a_bots_chat_does_not_close(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    run(settings, write_lines(tmp_path / "in" / "telegram.jsonl", [telegram.message("hello")]))
    assert "last_replies" not in published(settings, "telegram_chat", "1111111")
