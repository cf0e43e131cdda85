"""The store's tables of people: published profiles, the live layer, and stewards' decisions."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, sequence, text, time

# No foreign keys to profiles: a run writes all these tables in one transaction, and checking a million identifiers
# one by one would take half of its time. Members and aliases outlive profiles anyway.
profiles = sa.Table(
    "profiles",
    METADATA,
    text("profile_id", key=True),
    text("document"),
    text("document_hash"),
    time("updated_at"),
)

identifiers = sa.Table(
    "identifiers",
    METADATA,
    text("type", key=True),
    text("value", key=True),
    sa.Column("profile_id", sa.Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

members = sa.Table("members", METADATA, text("observation_id", key=True), text("profile_id"), text("run_id"))

# Earlier profiles of an observation, from the run that assigned it to the run that moved it.
former_members = sa.Table(
    "former_members",
    METADATA,
    sequence(),
    text("observation_id"),
    text("profile_id"),
    text("from_run_id"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

aliases = sa.Table("aliases", METADATA, text("old_profile_id", key=True), text("profile_id"), text("run_id"))

profile_changes = sa.Table(
    "profile_changes",
    METADATA,
    sequence(),
    text("profile_id"),
    text("other_profile_id", optional=True),
    text("reason"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

steward_decisions = sa.Table(
    "steward_decisions",
    METADATA,
    text("decision_id", key=True),
    text("kind"),
    text("left_id"),
    text("right_id"),
    text("author"),
    text("reason"),
    time("decided_at"),
    sa.CheckConstraint("kind in ('link', 'unlink')", name="kind"),
)

# Values that the last run found to identify nobody: live payloads are not matched by them.
junk_identifiers = sa.Table(
    "junk_identifiers",
    METADATA,
    text("type", key=True),
    text("value", key=True),
    sqlite_with_rowid=False,
)

# The live layer: data from live payloads until a run has processed them (`inbox.landed_run_id`). An observation that
# the last run knows is in it as well, if it was told again since; the number is that of the last payload.
live_members = sa.Table(
    "live_members",
    METADATA,
    text("observation_id", key=True),
    sa.Column("profile_id", sa.Text, nullable=False, index=True),
    # The normalised observation as JSON: it is all that can be shown of a person whom no run has seen.
    text("description"),
    time("first_seen_at"),
    sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    # When it was told last, by the most trusted of those who told it.
    time("last_seen_at", optional=True),
)

live_identifiers = sa.Table(
    "live_identifiers",
    METADATA,
    text("type", key=True),
    text("value", key=True),
    sa.Column("profile_id", sa.Text, primary_key=True, index=True),
    sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    # Only claims have told that the profile holds it.
    sa.Column("is_claim", sa.Boolean, nullable=False, server_default=sa.false()),
    sqlite_with_rowid=False,
)

live_engagement = sa.Table(
    "live_engagement",
    METADATA,
    text("event_id", key=True),
    sa.Column("profile_id", sa.Text, nullable=False, index=True),
    text("channel"),
    text("event_type"),
    # All reports about one message count as one message, as in a run.
    text("message_ref", optional=True),
    time("occurred_at"),
    sa.Column("is_machine", sa.Boolean, nullable=False),
    sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    # For an identify call: the traits that it sets to null, and its source, as JSON.
    text("unset_traits", optional=True),
    # The products that it is about, as JSON.
    text("products", optional=True),
)
