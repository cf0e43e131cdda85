"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "wanted": "the profiles of a batch of documents: profile_id",
    "known_hashes": "the documents of these that the store has: profile_id, document_hash",
    "known_rows": "rows that the store has of the relation that it is compared with",
    "metrics_json()": "the JSON text of a profile's metrics",
}
