"""Profile documents, as senders read them, made for the profiles that differ from the store."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from cdp.metrics.catalogue import METRICS
from cdp.people.document import (
    Interest,
    KnownIdentifier,
    LastReply,
    Preference,
    RecentMessage,
    SegmentMembership,
    TraitEvidence,
    core_traits_packed,
    packed,
)
from cdp.warehouse import Warehouse
from pipelines.profiles.golden import core_traits
from pipelines.statements import statement

# Documents per batch: bounds the memory of a first publish.
DOCUMENTS_AT_A_TIME = 20_000


def write_changed_documents(warehouse: Warehouse, known: pl.DataFrame) -> pl.DataFrame:
    """Write the temporary table `changed_documents` (profile_id, document, document_hash): those that the store
    lacks or has in another version. Returns the profile_id of stored documents whose profile no longer exists."""
    warehouse.run(statement("publish/changed_documents"), name="changed_documents")
    for name, text in _macros().items():
        warehouse.run(f"create or replace temp macro {name} as {text}", name=name)
    # Not a macro: DuckDB's time to expand one grows with the square of the number of metrics.
    warehouse.run(
        "create or replace temp view metrics_documents as "
        f"select profile_id, {document_of_metrics()} as metrics from profiles.metrics m",
        name="metrics_documents",
    )
    profile_ids = warehouse.query("select profile_id from profiles.profiles order by profile_id")
    for wanted in profile_ids.iter_slices(DOCUMENTS_AT_A_TIME):
        here = known.join(wanted, on="profile_id", how="semi")
        with (
            warehouse.frame("wanted", wanted),
            warehouse.frame("known_hashes", here),
            warehouse.frame("core_traits", core_traits()),
        ):
            warehouse.run(
                f"insert into changed_documents from ({statement('publish/documents')}) "
                "anti join known_hashes using (profile_id, document_hash)",
                name="documents",
            )
    return known.select("profile_id").join(profile_ids, on="profile_id", how="anti")


def _macros() -> dict[str, str]:
    """The macros with which `documents.sql` makes the parts of a document, from their declarations."""
    return {
        "core_traits_of(p)": core_traits_packed("p"),
        "trait_evidence_json(t)": packed(TraitEvidence, "t"),
        "identifier_json(h)": packed(KnownIdentifier, "h"),
        "membership_json(m)": packed(SegmentMembership, "m"),
        "preference_json(c)": packed(Preference, "c"),
        "recent_message_json(w)": packed(RecentMessage, "w"),
        "last_reply_json(w)": packed(LastReply, "w"),
        "interest_json(t)": packed(Interest, "t"),
    }


def slices(warehouse: Warehouse, table: str) -> Iterator[pl.DataFrame]:
    for offset in range(0, warehouse.count(table), DOCUMENTS_AT_A_TIME):
        yield warehouse.query(
            f"select * from {table} where rowid between $1 and $2", [offset, offset + DOCUMENTS_AT_A_TIME - 1]
        )


def document_of_metrics() -> str:
    """SQL over profiles.metrics, as `m`, for the JSON text of a profile's metrics. Empty windows are left out: a
    document is read for each message that is sent, and most windows of most people are empty."""
    lasting = ", ".join(f"{metric.name} := m.{metric.name}" for metric in METRICS if metric.window_days is None)
    windowed = ", ".join(
        f"{metric.name} := nullif(m.{metric.name}, 0)" for metric in METRICS if metric.window_days is not None
    )
    # Merging into an empty object removes nulls (RFC 7396).
    happened = f"json_merge_patch('{{}}', to_json(struct_pack({windowed})))::varchar"
    return (
        f"concat(rtrim(to_json(struct_pack(profile_id := m.profile_id, {lasting}))::varchar, '}}'), "
        f"replace(',' || ltrim({happened}, '{{'), ',}}', '}}'))"
    )
