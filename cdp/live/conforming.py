"""Conform a few payloads to items and observations, with the statements of a run prepared in advance.

Planning a source's SELECT takes longer than running it over a hundred payloads, so each SELECT is prepared once, over
tables that stay empty: the rows of a call are rolled back. (Deleted rows would slow down every later call.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from cdp import conform
from cdp.json_text import may_be_deep
from cdp.live.items import Conformed, Item, Observation
from cdp.people.current import CLAIM_SUFFIX
from cdp.sources import Source
from cdp.warehouse import Warehouse, open_memory

# The tables that a call fills in this order, each with its prepared statement.
_FILLED = ("descriptions", "described")

_CLEANED = ", ".join(f"{column.name} {column.type.sql}" for column in conform.CLEANED)

_LAND = """
insert into landed
select 'live', position, payload, $2
from (select unnest(range(len($1))) as position, unnest($1) as payload)
where json_valid(payload)
"""

_ITEMS = """
select line_number, reason, detail, observation_id, event_id, channel, event_type, occurred_at,
    -- PostgreSQL does not accept NUL.
    replace(message_ref, chr(0), ''), replace(message_id, chr(0), ''),
    is_machine, is_claim, credential, properties::varchar,
    nullif(to_json(products)::varchar, '[]'),
    consent_id, consent_channel, coalesce(consent_purpose, 'marketing'), consent_topic, consent_state,
    coalesce(consent_scope, 'channel'), consent_basis, consent_method, if(consent_id is null, null, consent_at)
from items
order by line_number
"""

_OBSERVATIONS = """
select distinct on (observation_id) observation_id,
    identifiers_of(source, customer_id, email, phone, device_token, anonymous_id, external_ids) as identifiers,
    to_json(struct_pack(source, customer_id, first_name, last_name, email, phone, date_of_birth, street, city, region,
        postcode, country, language, timezone, device_token, anonymous_id, external_ids)) as columns,
    if(has_platform_id(external_ids), json_merge_patch(columns, to_json(platform_ids_of(external_ids))),
        columns)::varchar as description
from described
where describes_someone
order by observation_id
"""


class Conformer:
    """Conforms payloads on a connection of its own; for one thread at a time."""

    def __init__(self, countries: pl.DataFrame, region: str) -> None:
        self._countries, self._region = countries, region
        self._mappings: dict[tuple[str, str], str] = {}
        self._warehouse = open_memory()
        _prepare(self._warehouse)

    def conform(self, source_name: str, source: Source, payloads: Sequence[str], received_at: datetime) -> Conformed:
        """Map the payloads with the mapping of `source`, by position. A payload that is not JSON has no item."""
        mapping = self._mapping(source_name, source)
        run = self._warehouse.run
        run("begin")
        try:
            run(_LAND, [payloads, received_at], name="landed")
            run(f"execute {mapping}", name=f"mapping of {source.name}")
            if any(map(may_be_deep, payloads)):
                run(f"execute {mapping}_too_deep('{source_name}')", name="too deep items")
            run("execute fill_descriptions", name="descriptions")
            self._clean(received_at)
            run("execute fill_described", name="described")
            items = self._read_items(source_name, len(payloads))
            return Conformed(items, self._read_observations({one.observation_id for one in items if not one.is_claim}))
        finally:
            run("rollback")

    def close(self) -> None:
        self._warehouse.close()

    def _clean(self, received_at: datetime) -> None:
        raw = self._warehouse.query("execute raw_descriptions")
        cleaned = conform.clean(raw, self._countries, region=self._region, today=received_at.date())
        values = ", ".join(f"unnest(${number}) as {name}" for number, name in enumerate(cleaned.columns, 1))
        self._warehouse.run(
            f"insert into cleaned by name select {values}", [column.to_list() for column in cleaned], name="cleaned"
        )

    def _read_items(self, source_name: str, payload_count: int) -> Sequence[Item]:
        items = self._rows("items")
        # Searching for unmapped rows costs as much as cleaning all the others, and is rarely necessary.
        if len({item[0] for item in items}) < payload_count:
            self._warehouse.run(f"execute fill_unmapped('{source_name}')", name="unmapped rows")
            items = self._rows("items")
        return [Item._make(item) for item in items]

    def _read_observations(self, trusted_ids: Collection[str | None]) -> Mapping[str, Observation]:
        """The observations by id; those that only claims describe say so in their description."""
        found = (
            Observation(
                observation_id,
                tuple((held["type"], held["value"]) for held in identifiers),
                description if observation_id in trusted_ids else f"{description[:-1]}{CLAIM_SUFFIX}",
            )
            for observation_id, identifiers, _, description in self._rows("observations")
        )
        return {observation.observation_id: observation for observation in found}

    def _rows(self, name: str) -> list[tuple[Any, ...]]:
        return self._warehouse.rows(f"execute read_{name}", name=name)

    def _mapping(self, source_name: str, source: Source) -> str:
        """The name of the prepared mapping, which is prepared on first use."""
        key = source_name, source.name
        if key not in self._mappings:
            self._mappings[key] = self._prepare_mapping(source_name, source)
        return self._mappings[key]

    def _prepare_mapping(self, source_name: str, source: Source) -> str:
        name = f"mapping_{len(self._mappings)}"
        # Not views as in a run: creating a view invalidates all prepared plans.
        items = f"with every_item as ({conform.every_item(source.lists)})"
        select = f"{items}, raw as materialized ({conform.statement('raw')}) select * from ({source.select})"
        too_deep = f"insert into mapped by name {items} {conform.too_deep()}"
        self._warehouse.run(f"prepare {name} as {conform.insert_mapped(source_name, select)}", name=source.name)
        self._warehouse.run(f"prepare {name}_too_deep as {too_deep}", name="too deep items")
        return name


def _prepare(warehouse: Warehouse) -> None:
    """Create the relations of `cdp/conform/` as empty tables, and prepare the statements that fill and read them."""
    statements = [
        "set threads = 1",
        # Statements are planned while the tables are empty. DuckDB 1.5 assumes the value bounds that it finds then, and
        # a sort would pack later values into too few bits.
        "set disabled_optimizers = 'statistics_propagation'",
        "create temp table landed (file_id varchar, line_number bigint, payload varchar, received_at timestamptz)",
        conform.create_mapped(),
        conform.TIMEZONES,
        f"create temp view keyed as {conform.statement('keyed')}",
        f"create temp table descriptions as {conform.statement('descriptions')}",
        f"create temp table cleaned (description bigint, {_CLEANED})",
        f"create temp table described as {conform.statement('described')}",
        f"create temp view items as {conform.statement('items')}",
        *(f"prepare fill_{name} as insert into {name} {conform.statement(name)}" for name in _FILLED),
        f"prepare fill_unmapped as {conform.insert_unmapped()}",
        f"prepare raw_descriptions as {conform.RAW_DESCRIPTIONS}",
        f"prepare read_items as {_ITEMS}",
        f"prepare read_observations as {_OBSERVATIONS}",
    ]
    for statement in statements:
        warehouse.run(statement, name="live conforming")
