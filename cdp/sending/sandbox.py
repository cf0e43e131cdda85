"""The sandbox: what would have gone out is written to `outbox/` in the home, and nothing leaves the machine.

It takes the messages of all channels while no provider is configured, and reports on them like a provider, through the
same path: `cdp/live/sandbox.py` plays the receipts. Certain addresses behave as their names say (`SCRIPTS`): mail to
`bounce@simulator.example.com`, a text to +447700900001, a chat of the id 447700900001, a notification to
`simulator-bounce`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cdp.channels import MESSAGE_CHANNELS
from cdp.delivery import Accepted, Dispatch, Email, InDoubt, Outcome, Refused, Setting, Settings
from cdp.sending.post import SANDBOX, Route
from cdp.store import Store
from cdp.work import Task, enqueue

RECEIPT = "sandbox_receipt"


@dataclass(frozen=True)
class Script:
    """How an address behaves: the answer to the call, and the receipts with their delays in seconds."""

    outcome: Outcome | None = None
    receipts: Sequence[tuple[float, str]] = ((1, "delivered"),)


SCRIPTS: Mapping[str, Script] = {
    "bounce": Script(receipts=((1, "bounced"),)),
    "silent": Script(receipts=()),
    "late": Script(receipts=((60, "delivered"),)),
    "doubt": Script(InDoubt("read_timeout"), ((5, "delivered"),)),
    "refuse": Script(Refused("refused_by_the_sandbox"), ()),
    "complain": Script(receipts=((1, "delivered"), (2, "complained"))),
    "open": Script(receipts=((1, "delivered"), (2, "opened"), (3, "clicked"))),
}
_ADDRESS = re.compile(r"(?:(\w+)(?:\+[^@]*)?@simulator\.example\.com|simulator-(\w+).*|\+?4477009000(\d\d))")


def script_of(address: str) -> Script:
    """How an address behaves; one that is not a simulator's gets its messages."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        return Script()
    mail, token, number = found.groups()
    names = tuple(SCRIPTS)
    name = mail or token or (names[int(number) - 1] if 0 < int(number) <= len(names) else "")
    return SCRIPTS.get(name, Script())


@dataclass(frozen=True)
class Sandbox:
    """The sender of the sandbox. folder: where messages are written to."""

    folder: Path
    store: Store
    clock: Callable[[], datetime]
    channels: tuple[str, ...] = MESSAGE_CHANNELS
    settings: tuple[Setting, ...] = ()

    def suits(self, _address: str) -> bool:
        """Every address is one of the sandbox's."""
        return True

    @contextmanager
    def opened(self, _settings: Settings) -> Iterator[Sandbox]:
        """The sandbox itself: it has no connections."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield self

    def send(self, dispatch: Dispatch) -> Outcome:
        """Write the message to the outbox, and arrange its receipts."""
        script = script_of(dispatch.address)
        if isinstance(script.outcome, Refused):
            return script.outcome
        _write(self.folder, dispatch)
        now = self.clock()
        with self.store.write() as connection:
            enqueue(connection, RECEIPT, list(_receipts(dispatch, script, now)), now)
        return script.outcome or Accepted(f"sandbox-{dispatch.message_id}")


def sandbox_route(folder: Path, store: Store, clock: Callable[[], datetime]) -> Route:
    """The sandbox as the provider of all channels."""
    return Route(SANDBOX, Sandbox(folder, store, clock), {})


def _receipts(dispatch: Dispatch, script: Script, now: datetime) -> Iterator[Task]:
    for seconds, event in script.receipts:
        at = now + timedelta(seconds=seconds)
        payload = {
            "id": sha256(f"{dispatch.message_id}:{event}".encode()).hexdigest()[:32],
            "message_id": dispatch.message_id,
            "channel": dispatch.channel,
            "event": event,
            "address": dispatch.address,
            "at": at.isoformat(),
        }
        yield Task(f"{dispatch.message_id}:{event}", json.dumps(payload), at)


def _write(folder: Path, dispatch: Dispatch) -> None:
    """A message as files: all of it as JSON and, of an e-mail, the HTML and the text to look at."""
    whole: dict[str, Any] = {
        "message_id": dispatch.message_id,
        "channel": dispatch.channel,
        "address": dispatch.address,
        "sender": dispatch.sender,
        "content": asdict(dispatch.content),
    }
    path = folder / dispatch.message_id
    path.with_suffix(".json").write_text(json.dumps(whole, ensure_ascii=False, indent=2), encoding="utf-8")
    if isinstance(dispatch.content, Email):
        path.with_suffix(".html").write_text(dispatch.content.html, encoding="utf-8")
        path.with_suffix(".txt").write_text(dispatch.content.text, encoding="utf-8")
