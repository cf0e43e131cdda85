"""Published profiles: what a run writes, what a sender reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import polars as pl
import sqlalchemy as sa

from cdp.people import tables
from cdp.people.current import document_of, with_live
from cdp.people.live_layer import overlay_of
from cdp.store.bulk import delete, insert_once_a_run, read_frame, upsert
from cdp.store.engine import Store
from cdp.store.prepared import Prepared

# What identifies best comes first: a source's own id of a person before an address that a family may share.
STRENGTH = ("customer_id", "email", "phone", "device_token", "anonymous_id")

_UTC = pl.Datetime("us", "UTC")


def _no(*names: str) -> Callable[[], pl.DataFrame]:
    return partial(pl.DataFrame, schema=dict.fromkeys(names, pl.String()))


@dataclass(frozen=True)
class PublishedChanges:
    """What a run changes in the store, as of `published_at`; a frame that is left out changes nothing.

    Frames have the columns shown; `*_upsert` replaces rows of the same key. `document` is the profile as JSON
    text. An alias names the profile that answers for a retired one, or a profile that was retired later.
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


@dataclass(frozen=True)
class StoredProfile:
    """A profile as published; `retired_id` is the id that was asked for, where an alias led here."""

    profile_id: str
    document: str
    retired_id: str | None = None


@dataclass(frozen=True)
class Match:
    """A profile and those of the identifiers asked for that it has, as (type, value)."""

    profile_id: str
    matched: tuple[tuple[str, str], ...]


def apply_publish(connection: sa.Connection, changes: PublishedChanges) -> None:
    """Write what a run changed; all of it or nothing, given one write transaction.

    A profile that is deleted takes its identifiers with it. Applying the same changes again alters nothing:
    the history of a run (`*_changes_insert`) is written once, so it must come whole, in one call.
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
    """observation_id, profile_id, run_id: the profile that each observation was last given to."""
    return read_frame(connection, tables.members, "observation_id", "profile_id", "run_id")


def known_former_members(connection: sa.Connection) -> pl.DataFrame:
    """observation_id, profile_id, from_run_id, run_id: places that observations have left, and when."""
    names = ("observation_id", "profile_id", "from_run_id", "run_id")
    return read_frame(connection, tables.former_members, *names)


def known_aliases(connection: sa.Connection) -> pl.DataFrame:
    """old_profile_id, profile_id, run_id."""
    return read_frame(connection, tables.aliases, "old_profile_id", "profile_id", "run_id")


def known_identifiers(connection: sa.Connection) -> pl.DataFrame:
    """type, value, profile_id."""
    return read_frame(connection, tables.identifiers, "type", "value", "profile_id")


def known_junk(connection: sa.Connection) -> pl.DataFrame:
    """type, value of identifiers that say nothing about a person."""
    return read_frame(connection, tables.junk_identifiers, "type", "value")


def known_profile_changes(connection: sa.Connection) -> pl.DataFrame:
    """seq, profile_id, other_profile_id, reason, run_id, in the order written."""
    names = ("seq", "profile_id", "other_profile_id", "reason", "run_id")
    return read_frame(connection, tables.profile_changes, *names)


def profile_hashes(connection: sa.Connection) -> pl.DataFrame:
    """profile_id, document_hash."""
    return read_frame(connection, tables.profiles, "profile_id", "document_hash")


_ASKED = sa.bindparam("profile_id", type_=sa.Text)

# What has come in live is rare; to ask whether there is any costs the look-up of a published profile next to nothing.
_HAS_LIVE = sa.or_(
    *(sa.exists().where(table.c.profile_id == _ASKED) for table in (tables.live_members, tables.live_engagement)),
    sa.exists().where(tables.live_identifiers.c.profile_id == _ASKED),
)

_BY_ID = Prepared(
    sa.select(tables.profiles.c.profile_id, tables.profiles.c.document, _HAS_LIVE).where(
        tables.profiles.c.profile_id == _ASKED
    )
)


def _by_alias() -> Prepared:
    first = sa.select(tables.aliases.c.profile_id).where(tables.aliases.c.old_profile_id == _ASKED)
    chain = first.cte("chain", recursive=True)
    later = sa.select(tables.aliases.c.profile_id).join(chain, tables.aliases.c.old_profile_id == chain.c.profile_id)
    # UNION, not UNION ALL: a circle of aliases comes to an end.
    survivors = chain.union(later)
    found = sa.select(tables.profiles.c.profile_id, tables.profiles.c.document)
    return Prepared(found.join(survivors, tables.profiles.c.profile_id == survivors.c.profile_id))


_BY_ALIAS = _by_alias()


def find_profile(connection: sa.Connection, profile_id: str) -> StoredProfile | None:
    """The profile with this id, or the one that a chain of aliases leads to, with what has come in live since it was
    published; of somebody whom no run has seen, all that came in."""
    for found, document, _has_live in _BY_ID.rows(connection, profile_id=profile_id):
        return StoredProfile(found, _with_live(connection, found, document))
    for found, document in _BY_ALIAS.rows(connection, profile_id=profile_id):
        return StoredProfile(found, _with_live(connection, found, document), profile_id)
    live = overlay_of(connection, profile_id)
    return StoredProfile(profile_id, json.dumps(document_of(profile_id, live))) if live.members else None


def _with_live(connection: sa.Connection, profile_id: str, document: str) -> str:
    live = overlay_of(connection, profile_id)
    return json.dumps(with_live(json.loads(document), live)) if live.has_any else document


def read_profile(store: Store, profile_id: str) -> StoredProfile | None:
    """As `find_profile`, in the shortest way for an id that is current and of whom nothing has come in."""
    row = store.first(_BY_ID, profile_id=profile_id)
    if row and not row[2]:
        return StoredProfile(row[0], row[1])
    with store.read() as connection:
        return find_profile(connection, profile_id)


def lookup(connection: sa.Connection, identifiers: Sequence[tuple[str, str]]) -> list[Match]:
    """Profiles, published or met since, that have any of these normalised (type, value) pairs, best first.

    The strongest identifier decides (see `STRENGTH`), then how many match, then the older id.
    """
    matched: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(_holders(identifiers)):
        matched.setdefault(row.profile_id, []).append((row.type, row.value))
    found = [Match(profile_id, tuple(sorted(pairs, key=_rank))) for profile_id, pairs in matched.items()]
    return sorted(found, key=lambda match: (_rank(match.matched[0])[0], -len(match.matched), match.profile_id))


def _holders(identifiers: Sequence[tuple[str, str]]) -> sa.CompoundSelect[str, str, str]:
    values: dict[str, list[str]] = {}
    for kind, value in identifiers:
        values.setdefault(kind, []).append(value)
    return sa.union(*(_holders_in(table, values) for table in (tables.identifiers, tables.live_identifiers)))


def _holders_in(table: sa.Table, values: Mapping[str, Sequence[str]]) -> sa.Select[str, str, str]:
    # SQLite would read the whole table for `(type, value) in (…)`.
    by_type = [sa.and_(table.c.type == kind, table.c.value.in_(found)) for kind, found in values.items()]
    return sa.select(table.c.type, table.c.value, table.c.profile_id).where(sa.or_(sa.false(), *by_type))


def _rank(identifier: tuple[str, str]) -> tuple[int, str]:
    kind, value = identifier
    return (STRENGTH.index(kind) if kind in STRENGTH else len(STRENGTH), value)
