"""What the commands that send need, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from cdp.cli.common import opened_store
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.sending.tools import Tools
    from cdp.store import Store
    from cdp.work import Runner


@dataclass(frozen=True)
class Sending:
    """The store, what sending needs, and a runner of all kinds of work."""

    store: Store
    tools: Tools
    runner: Runner


@contextmanager
def opened_sending(settings: Settings) -> Iterator[Sending]:
    """Everything that messages and other work need, closed at the end."""
    from cdp.consent.links import UnsubscribeLinks, load_unsubscribe_keys
    from cdp.content.library import load_library
    from cdp.decision.policy import load_policy
    from cdp.live import Receiver
    from cdp.segments.members import published_members
    from cdp.sending.opening import make_tools
    from cdp.worker import opened_runner

    policy, library = load_policy(settings.policy), load_library(settings.templates, settings.brand)
    links = UnsubscribeLinks(load_unsubscribe_keys(settings.home), settings.public_url.rstrip("/"))
    with opened_store(settings) as store:
        receiver = Receiver(settings, store)
        tools = make_tools(settings, store, policy, library, links, now)
        try:
            members = published_members(settings)
            with opened_runner(store, tools, receiver, members, now, structlog.get_logger()) as runner:
                yield Sending(store, tools, runner)
        finally:
            tools.close()
            receiver.close()


def warn_of_missing_receipts(settings: Settings) -> None:
    """Log the providers in use that cannot report what becomes of their messages."""
    from cdp.sending.opening import without_receipts

    for provider, unset in without_receipts(settings).items():
        structlog.get_logger().warning("no receipts", provider=provider, not_set=unset)


def now() -> datetime:
    """The current UTC time."""
    return datetime.now(UTC)
