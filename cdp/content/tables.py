"""The store's table of template versions: a message is rendered from the version that it was accepted with."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, text, time

template_versions = sa.Table(
    "template_versions",
    METADATA,
    text("name", key=True),
    text("version", key=True),
    # The template and the brand, as JSON.
    text("document"),
    time("first_used_at"),
)
