"""Requests that a client may repeat: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

A client that gets no answer does not know what became of its request. Under the same key it may ask again: what was
done the first time is not done again, and the first answer is given. A key is kept in the transaction of its effects,
so there is never one without the other; a repeat that comes while the first is at work waits for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa

from cdp.errors import CdpError
from cdp.idempotency.tables import idempotency_keys
from cdp.store import Connection
from cdp.store.bulk import delete_first
from cdp.store.prepared import Prepared, among

KEPT = timedelta(hours=24)

Made = TypeVar("Made")


class KeyReused(CdpError):
    """The client has used the key for another request."""

    http_status = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "this Idempotency-Key was used for another request",
            hint="Use a new key for each request, an old one to repeat",
        )


@dataclass(frozen=True)
class Once:
    """A request that is done once, however often it comes. part: which part, if it is done in several transactions."""

    client_id: str
    key: str
    request_hash: str
    part: int = 0

    @property
    def name(self) -> tuple[str, str]:
        """What identifies it. Clients have keys of their own."""
        return self.client_id, f"{self.key}#{self.part}"


@dataclass(frozen=True)
class Earlier:
    """What came of a request that was made before."""

    request_hash: str
    result_ids: Sequence[str]

    def same(self, once: Once) -> Sequence[str]:
        """The ids of what the first request recorded.

        Raises:
            KeyReused: the first request was another one.
        """
        if once.request_hash != self.request_hash:
            raise KeyReused
        return self.result_ids


def hash_of(operation: str, body: str) -> str:
    """The hash by which a request is known again: what is done, and the body in a canonical form."""
    return hashlib.sha256(f"{operation}\0{body}".encode()).hexdigest()


_EARLIER = Prepared(
    sa.select(
        idempotency_keys.c.client_id,
        idempotency_keys.c.key,
        idempotency_keys.c.request_hash,
        idempotency_keys.c.result_ids,
    ).where(among(idempotency_keys.c.key, "keys"))
)
_KEPT_COLUMNS = ("client_id", "key", "request_hash", "result_ids", "created_at")
_KEEP = Prepared(idempotency_keys.insert().values({name: sa.bindparam(name) for name in _KEPT_COLUMNS}))

# Locks last until the commit; they are taken in a fixed order to avoid deadlocks.
_LOCK = sa.text(
    "select pg_advisory_xact_lock(key) from (select distinct hashtextextended(name, 1) as key "
    "from unnest(:names) as name order by key) as keys"
).bindparams(sa.bindparam("names", type_=sa.ARRAY(sa.Text)))


def earlier_of(connection: Connection, asked: Collection[Once]) -> Mapping[tuple[str, str], Earlier]:
    """What came of those of the requests that were made before, by name, within a write transaction.

    Until it ends, nobody else does any of them.
    """
    if not asked:
        return {}
    names = {once.name for once in asked}
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"names": ["\n".join(name) for name in names]})
    found = _EARLIER.rows(connection, keys=[key for _, key in names])
    return {
        (client, key): Earlier(digest, json.loads(ids)) for client, key, digest, ids in found if (client, key) in names
    }


def keep(connection: Connection, done: Mapping[Once, Sequence[str]], now: datetime) -> None:
    """Keep the ids of what requests recorded, in the transaction that recorded it."""
    _KEEP.write(
        connection,
        [
            {"client_id": once.name[0], "key": once.name[1], "request_hash": once.request_hash}
            | {"result_ids": json.dumps(ids), "created_at": now}
            for once, ids in done.items()
        ],
    )


def do_once(
    connection: Connection,
    once: Once | None,
    now: datetime,
    *,
    do: Callable[[], Made],
    recall: Callable[[Sequence[str]], Made],
    ids_of: Callable[[Made], Sequence[str]],
) -> tuple[Made, bool]:
    """What a request makes within a write transaction, and whether an earlier, equal request made it.

    Args:
        recall: what was made earlier, by the ids that `ids_of` gave it.

    Raises:
        KeyReused: the client used the key for another request.
    """
    if once is None:
        return do(), False
    if earlier := earlier_of(connection, [once]).get(once.name):
        return recall(earlier.same(once)), True
    made = do()
    keep(connection, {once: ids_of(made)}, now)
    return made, False


def forget_old(connection: Connection, now: datetime, most: int) -> int:
    """Delete at most `most` keys that are older than a day; return the number deleted."""
    return delete_first(connection, idempotency_keys, idempotency_keys.c.created_at < now - KEPT, most)
