"""Which messages must carry a link to unsubscribe."""

from __future__ import annotations

from cdp.consent.links import Link
from cdp.decision.model import Decision
from cdp.decision.policy import Policy


def link_for(decision: Decision, purpose: str, topic: str | None, policy: Policy) -> Link | None:
    """The link for an allowed message; messages of every purpose that needs consent must carry one."""
    point, channel = decision.contact_point_id, decision.channel
    if not (point and channel and policy.purposes[purpose].needs_consent):
        return None
    return Link(point, channel, purpose, topic, decision.decision_id)
