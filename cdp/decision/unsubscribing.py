"""Which messages must carry a link to unsubscribe."""

from __future__ import annotations

from typing import Protocol

from cdp.consent.links import Link
from cdp.decision.policy import Policy


class Addressed(Protocol):
    """A decision, or a message that follows from one. It has a contact point and a channel if it is allowed."""

    @property
    def decision_id(self) -> str: ...

    @property
    def contact_point_id(self) -> str | None: ...

    @property
    def channel(self) -> str | None: ...


def link_for(addressed: Addressed, purpose: str, topic: str | None, policy: Policy) -> Link | None:
    """The link for an allowed message; messages of every purpose that needs consent must carry one."""
    point, channel = addressed.contact_point_id, addressed.channel
    if not (point and channel and policy.purposes[purpose].needs_consent):
        return None
    return Link(point, channel, purpose, topic, addressed.decision_id)
