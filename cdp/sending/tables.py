"""The store's tables of messages. A change here needs a migration in `cdp/store/migrations/versions`."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, sequence, text, time

# A message to one person on one channel. It holds no address, only the id of the contact point. `data` is what the
# sender gave for the template, `content` a one-off message's own words.
messages = sa.Table(
    "messages",
    METADATA,
    text("message_id", key=True),
    text("client_id"),
    text("profile_id", optional=True),
    text("decision_id"),
    # The message whose fallback this is.
    text("parent_id", optional=True),
    text("campaign", optional=True),
    text("broadcast_id", optional=True),
    text("purpose"),
    text("topic", optional=True),
    text("template", optional=True),
    text("template_version", optional=True),
    text("content", optional=True),
    text("data", optional=True),
    text("offer", optional=True),
    text("channel", optional=True),
    text("contact_point_id", optional=True),
    text("state"),
    # Why it was refused, suppressed or failed: a code.
    text("reason", optional=True),
    text("provider", optional=True),
    text("provider_id", optional=True),
    time("send_at", optional=True),
    time("expires_at", optional=True),
    time("deadline", optional=True),
    text("urgency"),
    # The channels to try next, as the decision has them: a JSON array.
    text("fallbacks", optional=True),
    time("created_at"),
    time("changed_at"),
    time("opened_at", optional=True),
    time("clicked_at", optional=True),
    time("replied_at", optional=True),
    time("complained_at", optional=True),
)
sa.Index("ix_messages_profile_id", messages.c.profile_id)
sa.Index("ix_messages_created_at", messages.c.created_at)
_has_parent = messages.c.parent_id.is_not(None)
# Each message has one fallback: the one that fails is followed by the next channel once.
sa.Index(
    "uq_messages_parent_id",
    messages.c.parent_id,
    unique=True,
    sqlite_where=_has_parent,
    postgresql_where=_has_parent,
)
_has_campaign = messages.c.campaign.is_not(None)
sa.Index(
    "ix_messages_campaign_state",
    messages.c.campaign,
    messages.c.state,
    sqlite_where=_has_campaign,
    postgresql_where=_has_campaign,
)
_has_broadcast = messages.c.broadcast_id.is_not(None)
sa.Index(
    "ix_messages_broadcast_id_state",
    messages.c.broadcast_id,
    messages.c.state,
    sqlite_where=_has_broadcast,
    postgresql_where=_has_broadcast,
)
_has_provider_id = messages.c.provider_id.is_not(None)
sa.Index(
    "ix_messages_provider_provider_id",
    messages.c.provider,
    messages.c.provider_id,
    sqlite_where=_has_provider_id,
    postgresql_where=_has_provider_id,
)

# Each call of a provider: written as started before the call, with its outcome after it. One that has no outcome was
# in the hands of a worker that died.
message_attempts = sa.Table(
    "message_attempts",
    METADATA,
    text("message_id", key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    text("provider"),
    time("started_at"),
    time("ended_at", optional=True),
    text("outcome", optional=True),
    # A code without personal data.
    text("error", optional=True),
)

sa.Index("ix_message_attempts_ended_at", message_attempts.c.ended_at)

# Each receipt, also one that changes nothing.
message_reports = sa.Table(
    "message_reports",
    METADATA,
    sequence(),
    sa.Column("message_id", sa.Text, nullable=False, index=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    text("event_type"),
    time("occurred_at"),
    time("received_at"),
    # The state after it.
    text("state"),
    sqlite_autoincrement=True,
)

# A message to everybody in a segment. The template's version and the people are those of its start.
broadcasts = sa.Table(
    "broadcasts",
    METADATA,
    text("broadcast_id", key=True),
    *(text(name) for name in ("client_id", "segment", "template", "template_version", "purpose", "campaign", "state")),
    *(text(name, optional=True) for name in ("topic", "data")),
    sa.Column("rate", sa.Integer, nullable=True),
    sa.Column("holdout", sa.Float, nullable=False),
    # All people of the segment have been taken down.
    sa.Column("is_gathered", sa.Boolean, nullable=False),
    *(time(name) for name in ("starts_at", "created_at", "changed_at")),
)

# Whoever has no outcome is still to come; it is sent, refused, merged (into somebody who has a message), or a code.
broadcast_people = sa.Table(
    "broadcast_people",
    METADATA,
    text("broadcast_id", key=True),
    text("profile_id", key=True),
    text("outcome", optional=True),
    text("message_id", optional=True),
)
_is_waiting = broadcast_people.c.outcome.is_(None)
sa.Index(
    "ix_broadcast_people_waiting",
    broadcast_people.c.broadcast_id,
    sqlite_where=_is_waiting,
    postgresql_where=_is_waiting,
)

# Providers that have lost points: their share of a channel is so much less. Every change is kept with its reason.
provider_health = sa.Table(
    "provider_health",
    METADATA,
    text("provider", key=True),
    sa.Column("points", sa.Float, nullable=False),
    time("changed_at"),
)
provider_changes = sa.Table(
    "provider_changes",
    METADATA,
    sequence(),
    text("provider"),
    sa.Column("points", sa.Float, nullable=False),
    text("reason"),
    time("changed_at"),
    sqlite_autoincrement=True,
)

# The token buckets of providers with a rate.
provider_rates = sa.Table(
    "provider_rates",
    METADATA,
    text("provider", key=True),
    sa.Column("tokens", sa.Float, nullable=False),
    time("filled_at"),
)
