"""Resolve the people of conformed items and write the items to the store, in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdp.consent import CONSENT_EVENTS, effects_of
from cdp.consent.ledger import apply_effects
from cdp.live.items import Item, Observation
from cdp.live.resolve import ATTEMPTS, Known, founded_by, resolve
from cdp.live.values import WorthlessLooks
from cdp.people import live_layer
from cdp.people.current import LiveEvent, LiveIdentifier, LiveMember
from cdp.people.identifiers import Identifier
from cdp.people.unset import unset_in
from cdp.store import Connection


@dataclass(frozen=True)
class People:
    """The resolved observations of some items.

    profiles: the profile of each observation.
    usable: identifiers that identify a person.
    published: the profiles that held each identifier as of the last run.
    """

    observations: Mapping[str, Observation]
    profiles: Mapping[str, str]
    usable: frozenset[Identifier]
    published: Mapping[Identifier, Sequence[str]]

    def profile_of(self, item: Item) -> str:
        return self.profiles[str(item.observation_id)]

    def observation_of(self, item: Item) -> Observation:
        return self.observations[str(item.observation_id)]


def find_people(
    connection: Connection, items: Iterable[Item], observations: Mapping[str, Observation], looks: WorthlessLooks
) -> People:
    """Resolve the observations of `items`, in their order."""
    ordered = [observations[one] for one in dict.fromkeys(str(item.observation_id) for item in items)]
    named = looks.without(identifier for one in ordered for identifier in one.identifiers)
    holders = live_layer.holders_of(connection, named)
    usable = frozenset(named - holders.junk)
    known = _known(connection, ordered, holders)
    return People(observations, resolve(ordered, usable, known), usable, holders.published)


def _known(connection: Connection, observations: Sequence[Observation], holders: live_layer.Holders) -> Known:
    profiles = live_layer.profiles_of(connection, [one.observation_id for one in observations])
    unknown = [one.observation_id for one in observations if one.observation_id not in profiles]
    holding = {one for found in (holders.published, holders.live) for held in found.values() for one in held}
    return Known(
        profiles=dict(profiles),
        published=holders.published,
        live={identifier: list(held) for identifier, held in holders.live.items()},
        customers=dict(live_layer.customers_of(connection, holding)),
        taken=_taken(connection, unknown),
    )


def _taken(connection: Connection, observation_ids: Sequence[str]) -> set[str]:
    """The profile ids that are already issued, among those that the observations could found.

    Collisions are rare, so the second and later choices are only checked if a first choice is taken.
    """
    taken = live_layer.issued_ids(connection, [founded_by(one) for one in observation_ids])
    others = [founded_by(one, attempt) for one in observation_ids for attempt in ATTEMPTS[1:]] if taken else []
    return taken | live_layer.issued_ids(connection, others)


def apply(
    connection: Connection, items: Sequence[Item], people: People, seqs: Mapping[int, int], received_at: datetime
) -> None:
    """Write the items to the live layer and the consent ledger.

    Args:
        seqs: the inbox number of the payload at each position.
    """
    live_layer.add(
        connection, _members(items, people, seqs), _identifiers(items, people, seqs), _events(items, people, seqs)
    )
    apply_effects(connection, effects_of(_statements(items, people)), received_at)


def _members(items: Sequence[Item], people: People, seqs: Mapping[int, int]) -> Iterator[LiveMember]:
    told: dict[str, list[Item]] = {}
    for item in items:
        told.setdefault(str(item.observation_id), []).append(item)
    for observation_id, found in told.items():
        times = [item.occurred_at for item in found]
        yield LiveMember(
            observation_id,
            people.profile_of(found[0]),
            people.observation_of(found[0]).description,
            min(times),
            max(seqs[item.position] for item in found),
            max(times),
        )


def _identifiers(items: Sequence[Item], people: People, seqs: Mapping[int, int]) -> Iterator[LiveIdentifier]:
    found: dict[tuple[Identifier, str], LiveIdentifier] = {}
    # The first telling of each counts, and one by others before claims.
    for item in sorted(items, key=lambda item: item.is_claim):
        for identifier in people.observation_of(item).identifiers:
            if identifier in people.usable:
                profile_id = people.profile_of(item)
                held = LiveIdentifier(*identifier, profile_id, seqs[item.position], item.is_claim)
                found.setdefault((identifier, profile_id), held)
    for (identifier, profile_id), held in found.items():
        if profile_id not in people.published.get(identifier, ()):
            yield held


def _events(items: Sequence[Item], people: People, seqs: Mapping[int, int]) -> Iterator[LiveEvent]:
    for item in items:
        if item.event_id and item.event_type and item.channel:
            yield LiveEvent(
                item.event_id,
                people.profile_of(item),
                item.channel,
                item.event_type,
                item.message_ref,
                item.occurred_at,
                item.is_machine,
                seqs[item.position],
                _unset(item, people),
                item.products,
            )


def _unset(item: Item, people: People) -> str | None:
    if item.event_type != "identified":
        return None
    source = json.loads(people.observation_of(item).description)["source"]
    return unset_in(item.properties, source, is_claim=item.is_claim)


def _statements(items: Iterable[Item], people: People) -> Iterator[dict[str, Any]]:
    """The items about consents or addresses, each with the description of its person."""
    for item in items:
        if item.consent_id or item.event_type in CONSENT_EVENTS:
            yield {**json.loads(people.observation_of(item).description), **item._asdict()}
