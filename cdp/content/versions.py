"""The versions of templates in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from cdp.content.compiled import Compiled, compile_document
from cdp.content.library import Library
from cdp.content.tables import template_versions
from cdp.store import Connection, Store
from cdp.store.prepared import Prepared, Value, among

_KEEP = Prepared.insert_new(template_versions)
_DOCUMENTS = Prepared(
    sa.select(template_versions.c.name, template_versions.c.version, template_versions.c.document).where(
        among(template_versions.c.version, "versions")
    )
)


def keep_versions(store: Store, library: Library, now: datetime) -> None:
    """Keep the versions in use: a message that waits is sent as it was accepted, though the file has changed since."""
    rows: list[Mapping[str, Value]] = [
        {"name": one.name, "version": one.version, "document": one.document, "first_used_at": now}
        for one in library.templates.values()
    ]
    with store.write() as connection:
        _KEEP.write(connection, rows)


class Versions:
    """Compiled versions, each read and compiled once: a version never changes. Those of the library need not be."""

    def __init__(self, library: Library) -> None:
        self._compiled = {(one.name, one.version): one for one in library.templates.values()}

    def of(self, connection: Connection, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Compiled]:
        """The versions named (template, version); those that were never kept are left out."""
        missing = {one for one in wanted if one not in self._compiled}
        if missing:
            for name, version, document in _DOCUMENTS.rows(connection, versions=[one for _, one in missing]):
                self._compiled[name, version] = compile_document(name, document)
        return self._compiled
