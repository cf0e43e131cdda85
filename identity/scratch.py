"""A copy in memory of what identities are resolved from: to try things on, with the published warehouse only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cdp import tables
from cdp.warehouse import Warehouse, open_memory

# All that a resolution reads.
INPUTS = (tables.FILES, tables.OBSERVATIONS)


@contextmanager
def scratch_copy(published: Warehouse) -> Iterator[Warehouse]:
    """The published observations in a warehouse of their own, whose other tables are empty."""
    with closing(open_memory()) as scratch:
        scratch.create_tables(tables.TABLES)
        for table in INPUTS:
            scratch.append_rows(table, published.query(f"from {table.full_name}"))
        yield scratch
