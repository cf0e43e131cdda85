"""When the next channel of a message is tried: at once if it fails, after a time of its own if it stays silent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cdp.sending.messages import Message
from cdp.store import Connection
from cdp.work import Task, enqueue

FALLBACK = "fallback"

# A channel to try: its name, `after` (a time) and `when` (`not_delivered` or `failed`), as decisions have them.
Step = Mapping[str, Any]


def plan_of(message: Message) -> list[Step]:
    """The channels to try after the message, in order."""
    found: list[Step] = json.loads(message.fallbacks) if message.fallbacks else []
    return found


def plan_for_silence(connection: Connection, handed_over: Sequence[Message], now: datetime) -> None:
    """Enqueue the next channel of messages whose delivery may never be reported."""
    plans = [(one, plan) for one in handed_over if (plan := plan_of(one))]
    tasks = [
        Task(one.message_id, not_before=datetime.fromisoformat(plan[0]["after"]))
        for one, plan in plans
        if plan[0]["when"] == "not_delivered"
    ]
    enqueue(connection, FALLBACK, tasks, now)


def try_next(connection: Connection, failed: Sequence[Message], now: datetime) -> None:
    """Enqueue the next channel of messages that have failed, at once: what waits for silence is brought forward."""
    enqueue(connection, FALLBACK, [Task(one.message_id) for one in failed if one.fallbacks], now)
