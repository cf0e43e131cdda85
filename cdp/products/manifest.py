"""What the tables of products hold of people: nothing."""

from __future__ import annotations

from cdp.store.manifest import Lines, Manifest, columns

MANIFEST: Manifest = {"products": Lines("keep", columns(none="key product_id document document_hash season_rank"))}
