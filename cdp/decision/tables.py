"""What the store holds of decisions, and the policies that they were made under."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, text, time

# The policies that decisions were made under, whole: a file that has changed since must not change an audit.
policies = sa.Table(
    "policies",
    METADATA,
    text("policy_hash", key=True),
    text("version"),
    text("document"),
    time("first_used_at"),
)

# What a sender was told, with the facts it was told from: enough to answer again. No address stands here. `channel`
# and `send_at` are those of an allowed decision: a message that is on its way counts against frequency caps.
decisions = sa.Table(
    "decisions",
    METADATA,
    text("decision_id", key=True),
    text("client_id"),
    text("profile_id", optional=True),
    time("decided_at"),
    text("purpose"),
    text("channel", optional=True),
    time("send_at", optional=True),
    text("policy_version"),
    text("policy_hash"),
    text("request"),
    text("facts"),
    text("answer"),
    sa.Index("ix_decisions_profile_id_send_at", "profile_id", "send_at"),
)
