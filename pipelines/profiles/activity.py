"""Events by person, in a narrow form for metrics, segments and preferences."""

from __future__ import annotations

from datetime import datetime

from cdp import fields
from cdp.channels import CHANNEL_NAMES
from cdp.warehouse import Warehouse
from pipelines.statements import statement


def tell_activity(warehouse: Warehouse, as_of: datetime) -> None:
    """Make the temporary tables `numbered` and `activity` (see `sql/`), which preferences and segments also read."""
    for name, words in (("channel_word", CHANNEL_NAMES), ("event_word", fields.EVENT_TYPES)):
        warehouse.run(f"create temp type if not exists {name} as enum ({', '.join(map(repr, words))})", name=name)
    warehouse.run(statement("profiles/numbered"), name="numbered")
    warehouse.run(statement("profiles/activity"), {"as_of": as_of}, name="activity")
