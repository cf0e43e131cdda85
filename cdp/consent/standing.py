"""What the ledger's entries permit: whether consent allows a message."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from cdp.channels import ADDRESS_TYPES, ChannelName
from cdp.consent.statement import OPT_OUTS, Entry, end_of

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

# From the narrowest to the broadest.
_LEVELS = ("topic", "channel", "all")
# Messages that the recipient expects, such as a receipt.
_WITHOUT_CONSENT = ("transactional",)


class ConsentRules(BaseModel):
    """How far an opt-out of a whole channel extends to other channels and addresses of the person.

    `opt_out_reaches` maps the channel of the opt-out to the further channels that it covers; a region (ISO 3166
    alpha-2 country of the person) may have its own map, which replaces the general one. Without rules, an opt-out such
    as STOP covers its channel only. Whatever the rules, an opt-out from everything covers all channels, and an opt-out
    of a topic covers that topic on its channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    opt_out_reaches: Mapping[ChannelName, tuple[ChannelName, ...]] = {}
    regions: Mapping[Region, Mapping[ChannelName, tuple[ChannelName, ...]]] = {}

    def reached_from(self, channel: str, region: str | None) -> Collection[str]:
        """The further channels that an opt-out of `channel` covers."""
        reaches = self.regions.get(region or "", self.opt_out_reaches)
        return next((further for opted_out, further in reaches.items() if opted_out == channel), ())


@dataclass(frozen=True)
class Standing:
    """The state of consent for one contact point, channel, purpose and topic.

    state: the state of the deciding entry; `missing` if nothing was stated, `conflicting` if two entries of the same
        time contradict each other.
    entry_id: the deciding entry.
    allowed: whether consent permits the message. Transactional messages need no grant, all others do. Suppressions
        are separate and not considered here.
    """

    state: str
    entry_id: str | None
    allowed: bool


@dataclass(frozen=True)
class _Question:
    contact_point_id: str
    channel: str
    purpose: str
    topic: str | None
    region: str | None
    rules: ConsentRules


def fold(
    entries: Iterable[Entry],
    *,
    contact_point_id: str,
    channel: str,
    purpose: str,
    topic: str | None,
    as_of: datetime,
    rules: ConsentRules,
    region: str | None = None,
) -> Standing:
    """The consent in force at `as_of`, judged by when things occurred, not by when they became known.

    The narrowest scope stated for this contact point counts (the topic, else the channel, else everything), and within
    it the latest entry by (occurred_at, recorded_at), an opt-out as of the end of its moment (`end_of`). A later
    opt-out of a broader scope overrides it; a broader grant does not. Opt-outs of the person's other contact points
    count as far as their scope and the rules reach; grants apply to their own contact point only. A statement whose
    contact point is not an address on its channel (a customer_id) is about the person: it opts out every address on the
    channel and grants none.

    Args:
        entries: the ledger's entries of all contact points of one person, in any order.
        region: ISO 3166 alpha-2 country of the person, for the rules.
    """
    asked = _Question(contact_point_id, channel, purpose, topic, region, rules)
    known = [entry for entry in entries if entry.purpose == purpose and entry.occurred_at <= as_of]
    deciding = [*_narrowest(known, asked), *(entry for entry in known if _opts_out(entry, asked))]
    return _latest(deciding, purpose)


def _narrowest(entries: Sequence[Entry], asked: _Question) -> list[Entry]:
    own = [entry for entry in entries if entry.contact_point_id == asked.contact_point_id and _covers(entry, asked)]
    levels = ([entry for entry in own if entry.scope == level] for level in _LEVELS)
    return next((found for found in levels if found), [])


def _opts_out(entry: Entry, asked: _Question) -> bool:
    if entry.state not in OPT_OUTS:
        return False
    if _covers(entry, asked):
        is_own = entry.contact_point_id == asked.contact_point_id
        names_person = entry.contact_point_type != ADDRESS_TYPES.get(entry.channel)
        return is_own or names_person or entry.scope == "all"
    reached = asked.rules.reached_from(entry.channel, asked.region)
    return entry.scope == "channel" and asked.channel in reached


def _covers(entry: Entry, asked: _Question) -> bool:
    """Whether the question lies within the entry's scope."""
    match entry.scope:
        case "all":
            return True
        case "channel":
            return entry.channel == asked.channel
        case _:
            return entry.channel == asked.channel and entry.topic == asked.topic


def _latest(entries: Sequence[Entry], purpose: str) -> Standing:
    if not entries:
        return Standing("missing", None, allowed=purpose in _WITHOUT_CONSENT)
    last = max(map(_moment, entries))
    # Among entries of the same time an opt-out comes first; the id makes the choice independent of their order.
    final = sorted(
        (entry for entry in entries if _moment(entry) == last),
        key=lambda entry: (entry.state not in OPT_OUTS, entry.entry_id),
    )
    agree = len({entry.state == "granted" for entry in final}) == 1
    state = final[0].state if agree else "conflicting"
    return Standing(state, final[0].entry_id, allowed=state == "granted" or purpose in _WITHOUT_CONSENT)


def _moment(entry: Entry) -> tuple[datetime, datetime]:
    """When a statement counts as made: an opt-out at the end of its moment."""
    occurred_at = end_of(entry.occurred_at) if entry.state in OPT_OUTS else entry.occurred_at
    return occurred_at, entry.recorded_at
