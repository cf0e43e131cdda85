"""What follows from the entries of the ledger: may this be sent, as far as consent goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from cdp.channels import ADDRESS_TYPES, ChannelName
from cdp.consent.statement import OPT_OUTS, Entry

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

# From the narrowest to the broadest.
_LEVELS = ("topic", "channel", "all")
# What somebody has asked for, such as a receipt.
_WITHOUT_CONSENT = ("transactional",)


class ConsentRules(BaseModel):
    """How far an opt-out of a whole channel reaches beyond it, to other channels and addresses of the person.

    `opt_out_reaches` maps the channel that was opted out of to the further channels for which that counts; a region
    (ISO 3166 alpha-2 country of the person) may have a map of its own, in place of the general one. Without rules an
    opt-out such as STOP counts for its channel. One from everything counts for all channels, one of a topic for this
    topic of its channel, whatever the rules.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    opt_out_reaches: Mapping[ChannelName, tuple[ChannelName, ...]] = {}
    regions: Mapping[Region, Mapping[ChannelName, tuple[ChannelName, ...]]] = {}

    def reached_from(self, channel: str, region: str | None) -> Collection[str]:
        """The further channels that an opt-out of `channel` counts for."""
        reaches = self.regions.get(region or "", self.opt_out_reaches)
        return next((further for left, further in reaches.items() if left == channel), ())


@dataclass(frozen=True)
class Standing:
    """What the entries say of one contact point, channel, purpose and topic.

    state: that of the entry that decides; `missing` where nothing was stated, `conflicting` where two entries of one
        moment contradict each other.
    entry_id: the entry that decides.
    allowed: whether consent permits the message. Transactional ones need no grant, all others do. Suppressions
        stand apart and are not looked at here.
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
    """What was in force at `as_of`: by when things occurred, whenever they became known.

    What was stated most narrowly for this contact point stands (for the topic, else for the channel, else for
    everything): the latest by (occurred_at, recorded_at). A later, broader opt-out beats it; a broader grant does
    not. Opt-outs of the person's other contact points count as far as their scope and the rules reach; grants never
    leave their contact point. A statement whose contact point is no address of its channel (a customer_id) speaks of
    the person: it opts out every address of the channel, and grants none.

    Args:
        entries: the ledger's entries of all contact points of one person, in any order.
        region: ISO 3166 alpha-2 country of the person, for the rules.
    """
    asked = _Question(contact_point_id, channel, purpose, topic, region, rules)
    known = [entry for entry in entries if entry.purpose == purpose and entry.occurred_at <= as_of]
    deciding = [*_narrowest(known, asked), *(entry for entry in known if _opts_out(entry, asked))]
    return _latest(deciding, purpose)


def _narrowest(entries: Sequence[Entry], asked: _Question) -> list[Entry]:
    own = [entry for entry in entries if entry.contact_point_id == asked.contact_point_id and _speaks_of(entry, asked)]
    levels = ([entry for entry in own if entry.scope == level] for level in _LEVELS)
    return next((found for found in levels if found), [])


def _opts_out(entry: Entry, asked: _Question) -> bool:
    if entry.state not in OPT_OUTS:
        return False
    if _speaks_of(entry, asked):
        is_own = entry.contact_point_id == asked.contact_point_id
        names_person = entry.contact_point_type != ADDRESS_TYPES.get(entry.channel)
        return is_own or names_person or entry.scope == "all"
    reached = asked.rules.reached_from(entry.channel, asked.region)
    return entry.scope == "channel" and asked.channel in reached


def _speaks_of(entry: Entry, asked: _Question) -> bool:
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
    last = max((entry.occurred_at, entry.recorded_at) for entry in entries)
    # Of several at one moment an opt-out is shown; the id makes the choice the same in any order.
    final = sorted(
        (entry for entry in entries if (entry.occurred_at, entry.recorded_at) == last),
        key=lambda entry: (entry.state not in OPT_OUTS, entry.entry_id),
    )
    agree = len({entry.state == "granted" for entry in final}) == 1
    state = final[0].state if agree else "conflicting"
    return Standing(state, final[0].entry_id, allowed=state == "granted" or purpose in _WITHOUT_CONSENT)
