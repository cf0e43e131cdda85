"""The store's tables of decisions and of the policies that they were made under."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, text, time

# The full content of policies that decisions were made under: a later change of the file must not affect an audit.
policies = sa.Table(
    "policies",
    METADATA,
    text("policy_hash", key=True),
    text("version"),
    text("document"),
    time("first_used_at"),
)

# The answer to a sender and the facts behind it: enough to replay the decision. Addresses are not stored here.
# `channel` and `send_at` are set for allowed decisions: a message on its way counts against frequency caps, until the
# sender says that it was not sent (`outcome`).
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
    text("outcome", optional=True),
    time("outcome_at", optional=True),
    sa.Index("ix_decisions_profile_id_send_at", "profile_id", "send_at"),
)

# The terms of offers that people have been promised. A claim lives until its offer ends, or its message is withdrawn;
# it is held by a message, a decision, or an event that told of the offer.
offer_claims = sa.Table(
    "offer_claims",
    METADATA,
    text("profile_id", key=True),
    text("scope", key=True),
    text("held_by", key=True),
    text("terms"),
    text("terms_hash"),
    time("claimed_at"),
    # Of an offer with no end of its own, the policy says when it ends.
    time("until", optional=True),
    # When it was on its way to the person.
    time("handed_over_at", optional=True),
)
sa.Index("ix_offer_claims_held_by", offer_claims.c.held_by)

# Who is held out of what, from the first time that it was asked.
holdouts = sa.Table(
    "holdouts",
    METADATA,
    text("profile_id", key=True),
    text("name", key=True),
    sa.Column("is_held_out", sa.Boolean, nullable=False),
    time("since"),
)
