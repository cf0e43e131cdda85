"""An in-memory copy of the resolver's inputs, for experiments; the published warehouse is only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cdp import tables
from cdp.warehouse import Warehouse, open_memory

# All tables that a resolution reads.
INPUTS = (tables.FILES, tables.OBSERVATIONS)


@contextmanager
def scratch_copy(published: Warehouse) -> Iterator[Warehouse]:
    """An in-memory warehouse with the published observations; its other tables are empty."""
    with closing(open_memory()) as scratch:
        scratch.create_tables(tables.TABLES)
        for table in INPUTS:
            scratch.append_rows(table, published.query(f"from {table.full_name}"))
        yield scratch
