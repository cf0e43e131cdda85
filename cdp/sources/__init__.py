"""The definition of a source, and the generic sources: tables of contacts and of events with a mapping file.

A module that defines `SOURCE`, a `Source`, is found automatically: a generic format in this package, a provider's in
`cdp/providers/<name>/`. It describes the payloads and has one SELECT that maps them. The SELECT reads the relation
`raw` (file_id, line_number, item_number, payload JSON, received_at) and returns any of the columns of `MAPPED`, by
name; omitted columns are NULL. The same SELECT maps a log of millions of lines and a single webhook.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from cdp import fields as f
from cdp.contract import Column, Table
from cdp.errors import ConfigurationError, require_tuple
from cdp.webhooks import Webhook
from cdp.webhooks.standard import STANDARD

MAPPED = Table(
    "conformed",
    "mapped",
    "a mapped raw item: an event, a description of a person, a consent, or a refusal",
    (
        Column("file_id", f.FileId, True),
        Column("line_number", f.LineNumber, True),
        Column("received_at", f.UtcTime, True),
        Column("source", f.Text, True, "filled in by the engine"),
        Column("refused", f.Text, False, "reason code; the item is a reject"),
        Column("refused_detail", f.Text, False, "which field is wrong; never a value"),
        Column("person_field", f.Text, False, "the source's name of what identifies the person, for refusals"),
        Column("time_field", f.Text, False, "the source's name of occurred_at, for refusals"),
        Column("event_key", f.Text, False, "the provider's id of the event; the payload's hash where it has none"),
        Column("channel", f.Text),
        Column("event_type", f.Text, False, "none: the item only describes a person"),
        Column("event_name", f.Text),
        Column("occurred_at", f.UtcTime),
        Column("message_ref", f.Text, False, "the provider's id of the message"),
        Column("message_id", f.Text, False, "the platform's own id of the message, if it sent it"),
        Column("campaign_ref", f.Text),
        Column("is_machine", f.Flag),
        Column("is_claim", f.Flag, False, "told by a write key, which anybody may have: it grants nothing"),
        Column("credential", f.Text, False, "the write key or client that sent it over the tracking API"),
        Column("amount", f.Money),
        Column("currency", f.Text),
        Column("properties", f.Json),
        Column("products", f.Json, False, "a list of those that the event is about, by the columns of event_products"),
        Column("customer_id", f.Text),
        Column("first_name", f.Text),
        Column("last_name", f.Text),
        Column("email", f.Text),
        Column("phone", f.Text),
        Column("date_of_birth", f.Text),
        Column("street", f.Text),
        Column("city", f.Text),
        Column("region", f.Text),
        Column("postcode", f.Text),
        Column("country", f.Text),
        Column("language", f.Text),
        Column("timezone", f.Text),
        Column("device_token", f.Text),
        Column("anonymous_id", f.Text),
        Column("external_ids", f.Json),
        Column("is_verified", f.Flag),
        Column("consent_channel", f.Text),
        Column("consent_purpose", f.Text),
        Column("consent_topic", f.Text),
        Column("consent_state", f.Text),
        Column("consent_scope", f.Text),
        Column("consent_basis", f.Text),
        Column("consent_method", f.Text),
        Column("consent_at", f.UtcTime, False, "when stated; occurred_at where it is not given"),
    ),
)


# The name of an event's property, and its value in lower case.
Word = tuple[str, str]


@dataclass(frozen=True)
class FailureWords:
    """A provider's words for the reasons of failures, in the properties of a bounce, failure or rejection.

    permanent: the address will never work.
    complained: the person has marked an earlier message as spam.
    stopped: the person has replied STOP.
    """

    permanent: tuple[Word, ...] = ()
    complained: tuple[Word, ...] = ()
    stopped: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        for name in ("permanent", "complained", "stopped"):
            require_tuple(name, getattr(self, name), tuple)


# What the API adds to a payload: the credential that it came by. It is for the whole payload, which is one item
# whatever lists are in it: what is taken out of it would come from nobody, and be trusted.
STAMP = "receivedBy"


@dataclass(frozen=True)
class Source:
    """A provider's log or webhook.

    name: the name in tables and in `/webhooks/{name}`, one lower-case word.
    title: the display name.
    files: globs over file names; the source of a matching file is detected from its name alone.
    keys: sets of keys; a record with all keys of one of the sets belongs to this source.
    lists: keys under which a document wraps its list of records, such as `{"orders": […]}`.
    select: the mapping, in SQL.
    csv_columns: the columns that a CSV file of this source must have.
    needs_mapping: the SELECT is generated from a mapping file (`cdp/sources/columns.py`).
    webhook: how `/webhooks/{name}` verifies and reads a request; None if the source has no webhook.
    failures: its words for lasting failures.
    """

    name: str
    title: str
    files: tuple[str, ...]
    keys: tuple[frozenset[str], ...]
    select: str = ""
    lists: tuple[str, ...] = ()
    csv_columns: frozenset[str] = frozenset()
    needs_mapping: bool = False
    webhook: Webhook | None = STANDARD
    failures: FailureWords = FailureWords()

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise ConfigurationError(f"a source's name is one lower-case word, not {self.name!r}")
        for name, kind in (("files", str), ("lists", str), ("keys", frozenset)):
            require_tuple(f"{self.name}: {name}", getattr(self, name), kind)
        if bool(self.select.strip()) == self.needs_mapping:
            raise ConfigurationError("a source has either a SELECT or a mapping file", where=self.name)
        if self.webhook and not self.webhook.provider:
            object.__setattr__(self, "webhook", replace(self.webhook, provider=self.name))

    def claims_name(self, file_name: str) -> bool:
        return any(fnmatch(file_name.lower(), pattern) for pattern in self.files)

    def claims_keys(self, found: Iterable[frozenset[str]]) -> int:
        """The size of the largest matching key set of this source; 0 if none matches."""
        return max((len(keys) for record in found for keys in self.keys if keys <= record), default=0)
