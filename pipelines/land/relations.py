"""Relations that Python provides to this folder's SQL; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "incoming_rows": "a block of a file or a batch of the inbox: line_number, payload, reject_reason, reject_detail",
    "incoming_document": "one JSON document: document",
    "parquet_rows": "a block of a Parquet file: number, record",
}
