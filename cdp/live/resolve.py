"""Resolve observations to profiles by exact identifiers: a pure function of the store's knowledge of them.

An observation that a run has seen keeps the profile assigned by the run. Otherwise its strongest identifier that leads
to exactly one person decides; identifiers that lead to several or to none, and junk values, are ignored. The remaining
observations are new people. Merges and splits are left to the next run, which sees all the evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5

from cdp.ids import crockford
from cdp.live.items import Observation
from cdp.people.identifiers import Identifier, strength

ATTEMPTS = range(4)
# Identifiers of devices. Devices are shared: a user logged in with another customer id is another person.
_OF_DEVICES = ("device_token", "anonymous_id")


@dataclass
class Known:
    """What is known about the observations and their identifiers; extended while they are resolved.

    profiles: the profiles of observations.
    published, live: the holders of an identifier; live ones in the order in which they were seen.
    customers: the customer ids (`source:id`) of a profile.
    taken: profile ids that are already issued.
    """

    profiles: dict[str, str] = field(default_factory=dict)
    published: Mapping[Identifier, Sequence[str]] = field(default_factory=dict)
    live: dict[Identifier, list[str]] = field(default_factory=dict)
    customers: dict[str, set[str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)


def resolve(observations: Iterable[Observation], usable: Collection[Identifier], known: Known) -> dict[str, str]:
    """The profile of each observation, by its id.

    Args:
        observations: in order of arrival, because each one can help to resolve the next.
        usable: the identifiers that may identify a person.
    """
    return {one.observation_id: _resolve(one, usable, known) for one in observations}


def founded_by(observation_id: str, attempt: int = 0) -> str:
    """The id of a profile founded by this observation, as a run issues it (`identity/sql/founding.sql`).

    attempt: above 0 if the earlier choices were issued to other profiles.
    """
    seed = f"{observation_id}:{attempt}" if attempt else observation_id
    return f"prf_{crockford(int.from_bytes(md5(seed.encode()).digest(), 'little'))}"


def _resolve(observation: Observation, usable: Collection[Identifier], known: Known) -> str:
    identifiers = sorted((held for held in observation.identifiers if held in usable), key=strength)
    profile_id = known.profiles.get(observation.observation_id) or _holder(identifiers, known)
    if profile_id is None:
        ids = (founded_by(observation.observation_id, attempt) for attempt in ATTEMPTS)
        profile_id = next(one for one in ids if one not in known.taken)
        known.taken.add(profile_id)
    _learn(observation.observation_id, identifiers, profile_id, known)
    return profile_id


def _holder(identifiers: Sequence[Identifier], known: Known) -> str | None:
    """The profile that the strongest unambiguous identifier leads to."""
    customers = {value for kind, value in identifiers if kind == "customer_id"}
    for identifier in identifiers:
        holder = _only_holder(identifier, known)
        if holder is not None and not _is_another_customers_device(identifier, holder, customers, known):
            return holder
    return None


def _only_holder(identifier: Identifier, known: Known) -> str | None:
    published = known.published.get(identifier, ())
    if published:
        return published[0] if len(published) == 1 else None
    return next(iter(known.live.get(identifier, ())), None)


def _is_another_customers_device(identifier: Identifier, holder: str, customers: Collection[str], known: Known) -> bool:
    """Whether a device leads to a person whom the same source knows by another customer id."""
    others = known.customers.get(holder, set())
    sources = {customer.partition(":")[0] for customer in others}
    return identifier[0] in _OF_DEVICES and any(
        customer.partition(":")[0] in sources and customer not in others for customer in customers
    )


def _learn(observation_id: str, identifiers: Iterable[Identifier], profile_id: str, known: Known) -> None:
    known.profiles[observation_id] = profile_id
    for identifier in identifiers:
        if profile_id not in known.published.get(identifier, ()):
            holders = known.live.setdefault(identifier, [])
            if profile_id not in holders:
                holders.append(profile_id)
        if identifier[0] == "customer_id":
            known.customers.setdefault(profile_id, set()).add(identifier[1])
