"""Mapping files: they map the columns of a file to the fields of contacts and events.

A mapping is a YAML file named `<anything>.mapping.yaml`, next to the data:

    source: crm               # the source of the observations
    kind: contacts            # contacts | events
    files: crm_contacts*.csv  # glob over file names in the mapping file's folder
    columns:                  # field: column; a.b reaches into nested JSON
      customer_id: Contact ID
      updated_at: Last Modified
    codes:                    # field: the meanings of a column's codes; other codes count as empty cells
      occurred_at: {column: Campaign, values: {"17": 2026-03-03, "18": 2026-04-19}}
    constants: {channel: store, event_type: ordered}   # used if there is no column or its cell is empty
    consents:
      - {channel: email, column: Email Opt In, granted: ["yes"], denied: ["no"]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from cdp.channels import CHANNEL_NAMES, PLATFORM_ID_TYPES, ChannelName
from cdp.fields import EVENT_TYPES, IDENTIFIER_TYPES
from cdp.sources import MAPPED, contacts, events, headers
from cdp.yaml_files import read_yaml

_MAPPED_NAMES = tuple(MAPPED.column_names())
PERSON_FIELDS = (
    *_MAPPED_NAMES[_MAPPED_NAMES.index("customer_id") : _MAPPED_NAMES.index("consent_channel")],
    "full_name",
    # Among the external ids.
    *PLATFORM_ID_TYPES,
)
CONTACT_FIELDS = (*PERSON_FIELDS, "updated_at")
# Kept as properties of the event. Rows of one order with different `order_line` values add up to the order.
ORDER_FIELDS = ("order_id", "order_line", "discount")
# What a row tells of the product that it is about: kept as properties, and as a line of `conformed.event_products`.
PRODUCT_FIELDS = ("product_id", "sku", "product_name", "product_url", "image_url", "price", "quantity")
EVENT_FIELDS = (
    *("occurred_at", "channel", "event_type", "event_name", "event_key", "message_ref", "campaign_ref"),
    *("is_machine", "amount", "currency", *ORDER_FIELDS, *PRODUCT_FIELDS),
    *PERSON_FIELDS,
)
FIELDS = tuple(dict.fromkeys((*EVENT_FIELDS, *CONTACT_FIELDS)))

_FLAGS = ("is_machine", "is_verified")

# SQL text cannot contain NUL.
ColumnName = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]+$")]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class ConsentColumn(BaseModel):
    """A column of consents: the texts for each state, case-insensitive. An empty cell states nothing."""

    model_config = _STRICT

    channel: ChannelName
    column: ColumnName
    granted: tuple[str, ...]
    denied: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    purpose: Literal["marketing", "transactional"] = "marketing"
    topic: str | None = None

    def words(self) -> Iterable[tuple[str, str]]:
        """Pairs of a state and a lower-case text that stands for it."""
        for state in ("granted", "denied", "withdrawn", "pending"):
            for word in getattr(self, state):
                yield state, word.strip().lower()


class Codes(BaseModel):
    """A column of codes and their meanings."""

    model_config = _STRICT

    column: ColumnName
    values: Annotated[dict[str, str], Field(min_length=1)]


class ColumnMapping(BaseModel):
    """The contents of a mapping file."""

    model_config = _STRICT

    source: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$")]
    kind: Literal["contacts", "events"]
    files: Annotated[str, StringConstraints(min_length=1)]
    columns: dict[str, ColumnName]
    codes: dict[str, Codes] = {}
    constants: dict[str, str] = {}
    consents: tuple[ConsentColumn, ...] = ()

    @model_validator(mode="after")
    def _knows_its_fields(self) -> Self:
        allowed = CONTACT_FIELDS if self.kind == "contacts" else EVENT_FIELDS
        for name in (*self.columns, *self.codes, *self.constants):
            if name not in allowed:
                raise ValueError(f"{name!r} is not a field of {self.kind}; fields: {', '.join(allowed)}")
        if not set(self.columns) & {*IDENTIFIER_TYPES, "first_name", "full_name"}:
            raise ValueError(f"no column identifies a person; map one of {', '.join(IDENTIFIER_TYPES)} or a name")
        return self

    @model_validator(mode="after")
    def _events_are_complete(self) -> Self:
        if self.kind == "contacts":
            return self
        if not {"occurred_at"} & (self.columns.keys() | self.codes.keys()):
            raise ValueError("events require a column for occurred_at")
        for name, words in (("event_type", EVENT_TYPES), ("channel", CHANNEL_NAMES)):
            if name not in self.columns | self.codes | self.constants:
                raise ValueError(f"events require {name}, as a column or a constant")
            if name in self.constants and self.constants[name] not in words:
                raise ValueError(f"the constant {name} must be one of {', '.join(words)}")
        return self


_HINT = "Required: source, kind, files and columns"


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file.

    Raises:
        ConfigurationError: the file is not YAML or not a valid mapping; the message names the line or the field.
    """
    document = read_yaml(path, "the mapping", are_scalars_text=True)
    if not isinstance(document.content, dict):
        raise document.refusal((), "the mapping is not a YAML mapping of `key: value` lines", _HINT)
    try:
        return ColumnMapping.model_validate(document.content)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise document.refusal(first["loc"], f"{name}: {message}" if name else message, _HINT) from None


def guess_mapping(columns: Sequence[str], source: str, sample: pl.DataFrame | None = None) -> ColumnMapping | None:
    """A mapping inferred from common headers, or None if no column identifies a person.

    Args:
        columns: the file's headers.
        source: the file's name, or another name for the source.
        sample: some rows; columns whose cells do not fit their header are left out.
    """
    found = headers.recognise(columns, sample)
    if not found.keys() & set(IDENTIFIER_TYPES):
        return None
    name = headers.source_name(source)
    if "occurred_at" in found and found.keys() & {"event_type", "event_name", "amount"}:
        constants = {
            "event_type": "custom" if "event_name" in found else "ordered",
            "channel": "store" if headers.names_a_store(columns) else "web",
        }
        missing = {field: value for field, value in constants.items() if field not in found}
        kept = {field: column for field, column in found.items() if field in EVENT_FIELDS}
        return ColumnMapping(source=name, kind="events", files=f"{name}*", columns=kept, constants=missing)
    kept = {field: column for field, column in found.items() if field in CONTACT_FIELDS}
    return ColumnMapping(source=name, kind="contacts", files=f"{name}*", columns=kept)


def describe(mapping: ColumnMapping) -> str:
    """The mapping as `field ← column` lines."""
    lines = [f"{mapping.kind} of {mapping.source}, files {mapping.files}"]
    lines += [f"  {field} ← {column}" for field, column in mapping.columns.items()]
    lines += [f"  {field} ← {codes.column}, {len(codes.values)} codes" for field, codes in mapping.codes.items()]
    lines += [f"  {field} = {value}" for field, value in mapping.constants.items()]
    lines += [f"  consent to {consent.channel} ← {consent.column}" for consent in mapping.consents]
    return "\n".join(lines)


def select_for(mapping: ColumnMapping) -> str:
    """The SELECT over `raw` for a mapping; it returns columns of `MAPPED`."""
    source_select = contacts.SELECT if mapping.kind == "contacts" else events.SELECT
    time = "updated_at" if mapping.kind == "contacts" else "occurred_at"
    return f"""
with cell as (
    select file_id, line_number, received_at, payload,
        json_extract_string(payload, [{_paths(mapping)}]) as cells
    from raw
),
field as (
    select file_id, line_number, received_at, payload,
{_fields(mapping)},
        {_consents(mapping)} as found
    from cell
),
typed as (
    select * replace ({_external_ids(mapping)} as external_ids, {", ".join(map(_flag, _FLAGS))},
        ({_MONEY.format(text="price")})::varchar as price),
        {_TIME.format(text=time)} as happened_at,
        {_MONEY.format(text="amount")} as money,
        {_WORD.format(text="event_type")} as event_word,
        {_WORD.format(text="channel")} as channel_word,
        coalesce(first_name, regexp_replace(full_name, '\\s+\\S+$', '')) as given_name,
        coalesce(last_name, nullif(regexp_extract(full_name, '\\s(\\S+)$', 1), '')) as family_name
    from field
),
worded as (
    select *, {events.KIND} as kind, {events.WAY} as way,
        nullif({_properties(mapping)}, '{{}}'::json) as properties
    from typed
),
judged as (
    select *, case
{_refusals(mapping)}
        end as refusal
    from worded
),
-- An unreadable consent is refused on its own: the item's own row always comes first.
statement as (
    select * exclude (found), unnest(found) as consent, generate_subscripts(found, 1) as position
    from (select * replace (
        case when refusal is not null then [null]
            when len(found) = 0 or found[1].state is null then list_prepend(null, found)
            else found end as found)
        from judged)
)
{source_select}"""


# ISO 8601, spreadsheet formats, Unix seconds (below 10^11) or milliseconds. Times without a zone are UTC.
_TIME = r"""coalesce(
            from_iso({text}),
            from_unix(try_cast({text} as decimal(14, 3))),
            from_unix(try_cast({text} as decimal(18, 3)) / 1000),
            plausible(timezone('UTC', try_strptime({text}, ['%d.%m.%Y %H:%M:%S', '%d.%m.%Y %H:%M', '%d.%m.%Y',
                '%m/%d/%Y %I:%M:%S %p', '%m/%d/%Y %I:%M %p', '%m/%d/%Y %H:%M:%S', '%m/%d/%Y %H:%M',
                '%m/%d/%Y']))))"""

# A comma followed by one or two final digits is a decimal comma, as in 1.234,50; otherwise it separates thousands.
_MONEY = r"""coalesce(
            try_cast({text} as decimal(18, 2)),
            if({text} like '%-%' or {text} like '(%', -1, 1) * try_cast(list_transform(
                [regexp_replace(
                    regexp_extract({text}, '^[^0-9]*([0-9][0-9.,'' \x{{A0}}]*)[^0-9]*$', 1),
                    '[^0-9.,]', '', 'g')],
                lambda digits: case
                    when regexp_matches(digits, ',\d{{1,2}}$')
                        then replace(replace(digits, '.', ''), ',', '.')
                    when regexp_matches(digits, '\.\d{{3}}\.') then replace(digits, '.', '')
                    else replace(digits, ',', '') end)[1] as decimal(18, 2)))"""

_WORD = "trim(regexp_replace(lower({text}), '[^a-z0-9]+', '_', 'g'), '_')"

_NO_PERSON = f"coalesce({', '.join(IDENTIFIER_TYPES)}) is null and (given_name is null or family_name is null)"


def _flag(name: str) -> str:
    return f"lower({name}) in ('true', 'yes', 'y', 't', '1') as {name}"


def _refusals(mapping: ColumnMapping) -> str:
    late = "isfinite(happened_at) is not true"
    rules = (
        [(_NO_PERSON, "no_identifier"), (f"updated_at is not null and {late}", "bad_time")]
        if mapping.kind == "contacts"
        else [
            ("kind is null", "unknown_event"),
            ("way is null", "unknown_channel"),
            (_NO_PERSON, "no_identifier"),
            (late, "bad_time"),
            ("money is null and regexp_matches(amount, '[0-9]')", "bad_amount"),
        ]
    )
    return "\n".join(f"            when {condition} then '{reason}'" for condition, reason in rules)


def _column_names(mapping: ColumnMapping) -> list[str]:
    further: tuple[Codes | ConsentColumn, ...] = (*mapping.codes.values(), *mapping.consents)
    return list(dict.fromkeys([*mapping.columns.values(), *(each.column for each in further)]))


def _pointers(column: str) -> list[str]:
    """The JSON pointers (RFC 6901) that a column's name can stand for: the key itself, or a path of keys."""
    whole = column.replace("~", "~0").replace("/", "~1")
    return [f"/{whole}"] if "." not in column else [f"/{whole}", "/" + whole.replace(".", "/")]


def _paths(mapping: ColumnMapping) -> str:
    return ", ".join(_literal(path) for name in _column_names(mapping) for path in _pointers(name))


def _cell(mapping: ColumnMapping, column: str) -> str:
    """SQL of the trimmed text of a column; NULL if it is empty."""
    every_path = [path for name in _column_names(mapping) for path in _pointers(name)]
    cells = ", ".join(f"cells[{every_path.index(path) + 1}]" for path in _pointers(column))
    return f"nullif(trim(coalesce({cells})), '')"


def _fields(mapping: ColumnMapping) -> str:
    return ",\n".join(f"        {_field(mapping, name)} as {name}" for name in FIELDS)


def _field(mapping: ColumnMapping, name: str) -> str:
    parts = []
    if name in mapping.columns:
        parts.append(_cell(mapping, mapping.columns[name]))
    if name in mapping.codes:
        parts.append(_decoded(mapping, mapping.codes[name]))
    if name in mapping.constants:
        parts.append(_literal(mapping.constants[name]))
    return f"coalesce({', '.join(parts)})" if parts else "null::varchar"


def _decoded(mapping: ColumnMapping, codes: Codes) -> str:
    branches = " ".join(f"when {_literal(code)} then {_literal(value)}" for code, value in codes.values.items())
    return f"case {_cell(mapping, codes.column)} {branches} end"


def _consents(mapping: ColumnMapping) -> str:
    """SQL of the list of consents in a row; the state of an unknown text is NULL."""
    structs = ", ".join(
        f"{{'channel': '{consent.channel}', 'purpose': '{consent.purpose}', "
        f"'topic': {_literal(consent.topic) if consent.topic else 'null'}::varchar, "
        f"'field': {_literal(consent.column)}, 'given': {_cell(mapping, consent.column)}, "
        f"'state': {_state(mapping, consent)}}}"
        for consent in mapping.consents
    )
    names = ("channel", "purpose", "topic", "field", "given", "state")
    shape = f"struct({', '.join(f'{name} varchar' for name in names)})[]"
    return f"list_filter([{structs}]::{shape}, lambda statement: statement.given is not null)"


def _state(mapping: ColumnMapping, consent: ConsentColumn) -> str:
    branches = " ".join(f"when {_literal(word)} then '{state}'" for state, word in consent.words())
    return f"case lower({_cell(mapping, consent.column)}) {branches} end"


def _external_ids(mapping: ColumnMapping) -> str:
    """SQL of the further ids: those of the column for them, and those that have a column each."""
    given = "try_cast(external_ids as json)"
    mapped = {*mapping.columns, *mapping.codes, *mapping.constants}.intersection(PLATFORM_ID_TYPES)
    if not mapped:
        return given
    own = ", ".join(f"'{kind}', {kind}" for kind in sorted(mapped))
    # RFC 7396: null removes, and what is no object is replaced.
    return f"json_merge_patch(coalesce({given}, '{{}}'), json_object({own}))"


def _properties(mapping: ColumnMapping) -> str:
    """SQL of the payload without the columns that the mapping names (RFC 7396: null removes)."""
    removed = dict.fromkeys(_column_names(mapping))
    stated = ", ".join(f"'{name}', {name}" for name in (*ORDER_FIELDS, *PRODUCT_FIELDS) if name in mapping.columns)
    order = f"json_object({stated})"
    patch = _literal(json.dumps(removed))
    return f"json_merge_patch('{{}}'::json, payload, {patch}::json, {order})"


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"
