"""Profiles, their identifiers and ids, changes, steward decisions, runs and API clients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_profiles()
    _create_issued_ids()
    _create_changes()
    _create_steward_decisions()
    _create_runs()
    _create_clients()


def _create_profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("profile_id", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("document_hash", sa.Text, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_table(
        "identifiers",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, primary_key=True, index=True),
        sqlite_with_rowid=False,
    )


def _create_issued_ids() -> None:
    op.create_table(
        "members",
        sa.Column("observation_id", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
    )
    op.create_table(
        "former_members",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("observation_id", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("from_run_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False, index=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "aliases",
        sa.Column("old_profile_id", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
    )


def _create_changes() -> None:
    op.create_table(
        "profile_changes",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("other_profile_id", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False, index=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "segment_changes",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("profile_id", sa.Text, nullable=False),
        sa.Column("segment", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False, index=True),
        sqlite_autoincrement=True,
    )


def _create_steward_decisions() -> None:
    op.create_table(
        "steward_decisions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("left_id", sa.Text, nullable=False),
        sa.Column("right_id", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.CheckConstraint("kind in ('link', 'unlink')", name="kind"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("as_of", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=False, index=True),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )


def _create_clients() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("rotated_at", TIME),
        sa.Column("disabled_at", TIME),
    )
    current = sa.text("disabled_at is null")
    op.create_index("uq_clients_name", "clients", ["name"], unique=True, sqlite_where=current, postgresql_where=current)
