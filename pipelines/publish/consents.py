"""Record consent statements and failing addresses from the logs in the store's ledger and suppressions."""

from __future__ import annotations

from datetime import datetime

from cdp.consent.ledger import apply_effects
from cdp.store import Store
from cdp.warehouse import Warehouse
from pipelines.segments.consents import unrecorded_effects


def record_consents(warehouse: Warehouse, store: Store, recorded_at: datetime) -> None:
    """Update the ledger and the suppressions from `warehouse`.

    Statements received live are there already, under the same ids. After a kill, the next call does the rest.
    """
    for effects in unrecorded_effects(warehouse, store):
        with store.write() as connection:
            apply_effects(connection, effects, recorded_at)
