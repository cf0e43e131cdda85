"""What a run publishes about people: profiles, identifiers, members, aliases, and their history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import polars as pl
import sqlalchemy as sa

from cdp.people import tables
from cdp.store.bulk import delete, insert_once_a_run, read_frame, upsert

_UTC = pl.Datetime("us", "UTC")


def _no(*names: str) -> Callable[[], pl.DataFrame]:
    return partial(pl.DataFrame, schema=dict.fromkeys(names, pl.String()))


@dataclass(frozen=True)
class PublishedChanges:
    """A run's changes to the store, as of `published_at`; an omitted frame changes nothing.

    Frames have the columns shown; `*_upsert` replaces rows with the same key. `document` is the profile as JSON text.
    An alias points to the profile that replaces a retired one, or to a profile that was itself retired later.
    """

    published_at: datetime
    profiles_upsert: pl.DataFrame = field(default_factory=_no("profile_id", "document", "document_hash"))
    profiles_delete: pl.DataFrame = field(default_factory=_no("profile_id"))
    identifiers_insert: pl.DataFrame = field(default_factory=_no("type", "value", "profile_id"))
    identifiers_delete: pl.DataFrame = field(default_factory=_no("type", "value", "profile_id"))
    junk_insert: pl.DataFrame = field(default_factory=_no("type", "value"))
    junk_delete: pl.DataFrame = field(default_factory=_no("type", "value"))
    members_upsert: pl.DataFrame = field(default_factory=_no("observation_id", "profile_id", "run_id"))
    members_delete: pl.DataFrame = field(default_factory=_no("observation_id"))
    former_members_insert: pl.DataFrame = field(
        default_factory=_no("observation_id", "profile_id", "from_run_id", "run_id")
    )
    aliases_upsert: pl.DataFrame = field(default_factory=_no("old_profile_id", "profile_id", "run_id"))
    aliases_delete: pl.DataFrame = field(default_factory=_no("old_profile_id"))
    profile_changes_insert: pl.DataFrame = field(
        default_factory=_no("profile_id", "other_profile_id", "reason", "run_id")
    )


def apply_publish(connection: sa.Connection, changes: PublishedChanges) -> None:
    """Write a run's changes within one write transaction.

    Deleting a profile also deletes its identifiers. Applying the same changes again has no effect: the history of a
    run (`*_changes_insert`) is written once, so it must be passed whole, in one call.
    """
    stamped = changes.profiles_upsert.with_columns(updated_at=pl.lit(changes.published_at, _UTC))
    upsert(connection, tables.profiles, stamped)
    delete(connection, tables.identifiers, changes.identifiers_delete)
    delete(connection, tables.identifiers, changes.profiles_delete)
    delete(connection, tables.profiles, changes.profiles_delete)
    upsert(connection, tables.identifiers, changes.identifiers_insert)
    delete(connection, tables.junk_identifiers, changes.junk_delete)
    upsert(connection, tables.junk_identifiers, changes.junk_insert)
    delete(connection, tables.members, changes.members_delete)
    upsert(connection, tables.members, changes.members_upsert)
    delete(connection, tables.aliases, changes.aliases_delete)
    upsert(connection, tables.aliases, changes.aliases_upsert)
    insert_once_a_run(connection, tables.former_members, changes.former_members_insert)
    insert_once_a_run(connection, tables.profile_changes, changes.profile_changes_insert)


def known_members(connection: sa.Connection) -> pl.DataFrame:
    """observation_id, profile_id, run_id: the last published profile of each observation."""
    return read_frame(connection, tables.members, "observation_id", "profile_id", "run_id")


def known_former_members(connection: sa.Connection) -> pl.DataFrame:
    """observation_id, profile_id, from_run_id, run_id: earlier profiles of observations, and when they were left."""
    names = ("observation_id", "profile_id", "from_run_id", "run_id")
    return read_frame(connection, tables.former_members, *names)


def known_aliases(connection: sa.Connection) -> pl.DataFrame:
    """old_profile_id, profile_id, run_id."""
    return read_frame(connection, tables.aliases, "old_profile_id", "profile_id", "run_id")


def known_identifiers(connection: sa.Connection) -> pl.DataFrame:
    """type, value, profile_id."""
    return read_frame(connection, tables.identifiers, "type", "value", "profile_id")


def known_junk(connection: sa.Connection) -> pl.DataFrame:
    """type, value of identifiers that identify nobody."""
    return read_frame(connection, tables.junk_identifiers, "type", "value")


def known_profile_changes(connection: sa.Connection) -> pl.DataFrame:
    """seq, profile_id, other_profile_id, reason, run_id, in the order written."""
    names = ("seq", "profile_id", "other_profile_id", "reason", "run_id")
    return read_frame(connection, tables.profile_changes, *names)


def profile_hashes(connection: sa.Connection) -> pl.DataFrame:
    """profile_id, document_hash."""
    return read_frame(connection, tables.profiles, "profile_id", "document_hash")
