"""Between the two transactions of a batch: its messages are rendered, and then its providers called, all at once.

Rendering can take long, and what is said meanwhile still counts: so all are rendered before the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from cdp.content.compiled import Compiled
from cdp.content.liquid import ContentRefused
from cdp.content.rendering import Inline, Values, render
from cdp.delivery import Dispatch, InDoubt, Outcome, Refused
from cdp.sending.attempts import Attempt
from cdp.sending.messages import Message
from cdp.sending.states import State
from cdp.sending.tools import Tools
from cdp.work import Clock, Item

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Work = TypeVar("Work")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Ready:
    """A message that is handed over now, with its attempt."""

    item: Item
    message: Message
    attempt: Attempt
    address: str
    content: Compiled | Inline | None
    values: Values


@dataclass(frozen=True)
class Rendered:
    """A message as its provider gets it."""

    ready: Ready
    dispatch: Dispatch


@dataclass(frozen=True)
class Stopped:
    """The message was not handed over: something holds it back now.

    error: its code. state: what the message becomes.
    """

    error: str
    state: State = "suppressed"


@dataclass(frozen=True)
class Ended:
    """What came of a message, and when: calls of one batch take times of their own, by which providers are judged."""

    ready: Ready
    outcome: Outcome | Stopped
    at: datetime


class Callers:
    """Threads that render messages and call providers."""

    def __init__(self, tools: Tools, most: int) -> None:
        self._tools = tools
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="send")

    def close(self) -> None:
        self._pool.shutdown()

    def render_all(self, ready: Sequence[Ready], clock: Clock) -> tuple[list[Rendered], list[Ended]]:
        """The messages as their providers get them, and those that cannot be rendered."""
        rendered, refused = [], []
        for one, made in zip(ready, self._each(self._render, ready), strict=True):
            if isinstance(made, Dispatch):
                rendered.append(Rendered(one, made))
            else:
                error = made if isinstance(made, str) else _defect(one, made)
                refused.append(Ended(one, Refused(error), clock()))
        return rendered, refused

    def call_all(self, rendered: Sequence[Rendered], clock: Clock) -> list[Ended]:
        """Call the providers at once. What raises against expectation is in doubt, and the others are not."""

        def call(one: Rendered) -> Ended:
            outcome = self._tools.post.transport(one.ready.attempt.provider).send(one.dispatch)
            return Ended(one.ready, outcome, clock())

        return [
            made if isinstance(made, Ended) else Ended(one.ready, InDoubt(_defect(one.ready, made)), clock())
            for one, made in zip(rendered, self._each(call, rendered), strict=True)
        ]

    def _each(self, work: Callable[[Work], Made], items: Sequence[Work]) -> list[Made | BaseException]:
        """What becomes of each item, or what it raised."""
        futures = [self._pool.submit(work, one) for one in items]
        wait(futures)
        return [one.exception() or one.result() for one in futures]

    def _render(self, ready: Ready) -> Dispatch | str:
        """The message as its provider gets it, or the code of what is wrong with it."""
        message, library = ready.message, self._tools.library
        if ready.content is None:
            return "unknown_template_version"
        try:
            content = render(ready.content, str(message.channel), ready.values, library.brand).content
        except ContentRefused as error:
            # The message of the error may quote what the sender wrote; `cdp messages` renders it again.
            return error.code
        return Dispatch(
            message_id=message.message_id,
            channel=str(message.channel),
            address=ready.address,
            content=content,
            sender=library.brand.name,
            callback_url=f"{self._tools.public_url}/webhooks/{ready.attempt.provider}",
            expires_at=message.expires_at or ready.attempt.started_at + timedelta(days=1),
        )


def _defect(ready: Ready, error: BaseException) -> str:
    name = type(error).__name__
    _log.error("sending failed", message=ready.message.message_id, provider=ready.attempt.provider, error=name)
    return f"defect_{name}"
