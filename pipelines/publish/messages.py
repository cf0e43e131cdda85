"""What the files of a run tell of messages: reports of providers, and offers that others have made."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from cdp.sending.overview import first_accepted_at
from cdp.sending.receipts import Receipt
from cdp.sending.receipts import record as record_receipts
from cdp.sending.told_offers import Told, claim_told
from cdp.store import Store
from cdp.warehouse import Warehouse
from pipelines.statements import statement

# The rows of one transaction; live writes wait until it ends.
_ROWS_AT_A_TIME = 2_000
# A provider's clock may be behind ours.
_CLOCKS_DIFFER = timedelta(days=1)


def tell_messages(warehouse: Warehouse, store: Store, run_id: str, now: datetime) -> None:
    """Move the messages that reports in the run's files are about, and claim the offers that events told of.

    After a kill the next call does it again, which changes nothing: each report and each offer counts once.
    """
    with store.read() as connection:
        first = first_accepted_at(connection)
    begins = first - _CLOCKS_DIFFER if first else None
    publishing = pl.DataFrame(
        [(run_id, begins)], schema={"run_id": pl.String, "first_message_at": pl.Datetime("us", "UTC")}, orient="row"
    )
    with warehouse.frame("publishing", publishing):
        warehouse.run(statement("publish/told_of_messages"), name="told_of_messages")
    for start in range(0, warehouse.count("told_of_messages"), _ROWS_AT_A_TIME):
        rows = warehouse.query(
            "select * from told_of_messages where rowid between $1 and $2 order by rowid",
            [start, start + _ROWS_AT_A_TIME - 1],
        )
        _tell(store, rows, now)


def _tell(store: Store, rows: pl.DataFrame, now: datetime) -> None:
    receipts = [
        Receipt(
            one["source"],
            one["event_id"],
            one["event_type"],
            one["channel"],
            one["occurred_at"],
            one["message_id"],
            one["message_ref"],
        )
        for one in rows.filter(pl.col("is_report")).iter_rows(named=True)
    ]
    offers = rows.filter(pl.col("offer").is_not_null()).select(Told._fields)
    with store.write() as connection:
        record_receipts(connection, receipts, now)
        claim_told(connection, map(Told._make, offers.iter_rows()), now)
