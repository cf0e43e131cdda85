"""Broadcasts that offer different terms for one thing, sent at once by several processes: who gets which price?

Each person is in two or three of the segments. At the end the claims, our messages and the ledger of the provider are
looked at, each for itself.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import IO, Any

import sqlalchemy as sa
import structlog

from cdp.content.compiled import Compiled, compile_template
from cdp.content.library import Library
from cdp.content.model import Template
from cdp.decision.tables import decisions, offer_claims
from cdp.delivery import Accepted, Dispatch, Outcome, Push, Retry, Setting, Settings
from cdp.sending.broadcasts import start
from cdp.sending.states import FAILED, UNSENT
from cdp.sending.tables import broadcasts, message_attempts, messages
from cdp.store import Store, open_store
from cdp.work import Runner
from tests.cdp.deciding import policy
from tests.cdp.work.chaos import Role, context, kept_up, utc_now
from tests.sending.chaos import RealClock
from tests.sending.ledgers import is_any_open, wait_until
from tests.sending.world import LIBRARY, Recorder, World, new_broadcast, profile_id_of

context.set_forkserver_preload([__name__])

WORKERS = 2
SCOPE = "skis"
DISCOUNTS = ("0.1", "0.2", "0.3")
# Of a hundred messages, so many are refused for now and tried again.
REFUSED_FOR_NOW = 0.05
# The longest time that a call takes, and that a message may be on its way after it has been superseded.
MOST_SECONDS, IN_FLIGHT_SECONDS = 0.05, 3.0
PUBLISHED_AT_ONCE = 2_000
RULES = ("block", "keep_first_terms", "supersede")


@dataclass(frozen=True)
class Contended:
    """sent, refused: messages. The rest should be none, and counts people but for `unnamed`.

    claims: who holds several terms. messages, received: who got several, by our record and by the provider's ledger.
    Where the newer supersedes the older, who got the older may get the newer, too: counted are those who got the older
    after it, and those who hold other terms than they got last. unserved: who got nothing. unnamed: messages that were
    refused without naming the one that holds the claim.
    """

    people: int
    sent: int
    refused: int
    claims: int
    messages: int
    received: int
    unserved: int
    unnamed: int


MUST_BE_NONE = ("claims", "messages", "received", "unserved", "unnamed")


def contend(folder: Path, url: str, rule: str, people: int, seed: int) -> Contended:
    """Send three broadcasts at once to so many people, and look what they got."""
    store = open_store(url)
    with _sending(folder, store, rule, people, seed):
        wait_until(lambda: _is_finished(store), "messages are still to be sent", seconds=60 + people / 20)
    found = _look(store, rule, names_of(people), _ledger(folder))
    store.close()
    return found


def contend_while_merging(folder: Path, url: str, rule: str, people: int, seed: int, seconds: float) -> int:
    """The same while, for some seconds, pairs of people are found to be one; return the number of pairs who then got a
    wrong offer: other terms than the first that either got or, where the newer supersedes the older, older ones.
    """
    store, chance, names = open_store(url), random.Random(seed), names_of(people)
    pairs, merged_at = list(zip(names[::2], names[1::2], strict=True)), dict[tuple[str, str], datetime]()
    with _sending(folder, store, rule, people, seed, rate=int(people / seconds * 60)) as world:
        for pair in chance.sample(pairs, len(pairs)):
            time.sleep(chance.uniform(0, 2 * seconds / len(pairs)))
            world.merge(*pair)
            merged_at[pair] = utc_now()
        wait_until(lambda: _is_finished(store), "messages are still to be sent", seconds=60 + people / 20)
    found = _messages_by_id(store)
    store.close()
    of_pairs = {pair: [one for name in pair for one in found[profile_id_of(name)]] for pair in pairs}
    return sum(_is_wrong_after(rule, merged_at[pair], of_both) for pair, of_both in of_pairs.items())


@contextmanager
def _sending(folder: Path, store: Store, rule: str, people: int, seed: int, rate: int | None = None) -> Iterator[World]:
    """Three broadcasts, while processes work on them."""
    world, names = _world(store, rule, people, seed, Recorder()), names_of(people)
    for begun in range(0, people, PUBLISHED_AT_ONCE):
        world.people(*names[begun : begun + PUBLISHED_AT_ONCE])
    with store.write() as connection:
        for template in world.library.templates.values():
            start(connection, new_broadcast(template, datetime.now(UTC), rate=rate))
    roles: list[Role] = [
        partial(send_all, str(folder / f"ledger-{number}"), rule, people, seed) for number in range(WORKERS)
    ]
    with kept_up(roles, store.engine.url.render_as_string(hide_password=False)):
        yield world
    world.close()


def _ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("ledger-*") for line in path.read_text().splitlines()]


def names_of(people: int) -> Sequence[str]:
    return [f"person{number}" for number in range(people)]


def send_all(ledger: str, rule: str, people: int, seed: int, url: str) -> None:
    """Work on broadcasts and messages, forever."""
    with Path(ledger).open("a", buffering=1) as stream:
        world = _world(open_store(url), rule, people, seed, Ledger(stream=stream, chance=random.Random(ledger)))
        log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger("CRITICAL"))
        # Retries come soon.
        Runner(world.store, world.kinds, utc_now, log, lambda: 0.99).run(Event())


@dataclass
class Ledger(Recorder):
    """A provider that writes down what it takes, and refuses some for now."""

    channels: tuple[str, ...] = ("push",)
    settings: tuple[Setting, ...] = ()
    stream: IO[str] | None = None
    chance: random.Random | None = None

    def __post_init__(self) -> None:
        self._lock = Lock()

    @contextmanager
    def opened(self, _settings: Settings) -> Iterator[Ledger]:
        yield self

    def send(self, dispatch: Dispatch) -> Outcome:
        assert self.stream and self.chance and isinstance(dispatch.content, Push)
        with self._lock:
            seconds = self.chance.uniform(0, MOST_SECONDS)
        time.sleep(seconds)
        with self._lock:
            if self.chance.random() < REFUSED_FOR_NOW:
                return Retry("http_503", is_providers=False)
            line = {"address": dispatch.address, "title": dispatch.content.title, "at": utc_now().timestamp()}
            self.stream.write(json.dumps({**line, "message_id": dispatch.message_id}) + "\n")
        return Accepted(dispatch.message_id)


def _world(store: Store, rule: str, people: int, seed: int, provider: Recorder) -> World:
    rules = policy(offers={"on_conflict": rule}, frequency_caps={}, quiet_hours={})
    return World(
        store,
        RealClock(),
        providers={"ledger": provider},
        policy=rules,
        library=Library(LIBRARY.brand, {f"sale_{one[2:]}": _template(one) for one in DISCOUNTS}),
        segments=segments_of(people, seed),
    )


def segments_of(people: int, seed: int) -> dict[str, list[str]]:
    """Three segments that overlap, each in an order of its own: everybody is in two or three of them."""
    ids = [profile_id_of(name) for name in names_of(people)]
    kept = people * 4 // 5
    parts = (ids[:kept], ids[people - kept :], ids)
    return {
        f"sale_{discount[2:]}": random.Random(f"{seed}-{discount}").sample(part, len(part))
        for discount, part in zip(DISCOUNTS, parts, strict=True)
    }


def _template(discount: str) -> Compiled:
    words = {"push": {"title": "{{ offer.discount | times: 100 | round }}% off", "body": "Skis"}}
    offer = {"scope": SCOPE, "discount": discount, "until": "2100-01-01T00:00:00Z"}
    template = Template.model_validate(
        {"title": "Sale", "purpose": "marketing", "offer": offer, "languages": {"en": words}}
    )
    return compile_template(f"sale_{discount[2:]}", template, LIBRARY.brand)


def _is_finished(store: Store) -> bool:
    with store.read() as connection:
        states = set(connection.scalars(sa.select(broadcasts.c.state)))
    return states == {"finished"} and not is_any_open(store)


def _look(store: Store, rule: str, names: Sequence[str], taken: Sequence[Mapping[str, Any]]) -> Contended:
    got = _by_person(taken)
    with store.read() as connection:
        refused = connection.scalar(sa.select(sa.func.count()).where(messages.c.state == "refused"))
        claimed = connection.execute(_LIVE_CLAIMS, {"now": utc_now()}).all()
        held = {profile_id: _title(terms) for profile_id, terms, _ in claimed}
        in_messages = connection.scalar(_LATER_THAN_THE_NEWER if rule == "supersede" else _SEVERAL_TERMS)
        holders = sa.select(messages.c.message_id, messages.c.profile_id).where(messages.c.state != "refused")
        owners = dict(connection.execute(holders).all())
        unnamed = sum(
            owners.get(_named_by(answer)) != profile_id for profile_id, answer in connection.execute(_REFUSED)
        )
    is_wrong = _is_not_what_is_held if rule == "supersede" else _has_several
    return Contended(
        people=len(names),
        sent=len(taken),
        refused=refused or 0,
        claims=sum(count > 1 for _, _, count in claimed),
        messages=in_messages or 0,
        received=sum(is_wrong(found, held[profile_id_of(name)]) for name, found in got.items()),
        unserved=len(set(names) - got.keys()),
        unnamed=unnamed,
    )


# What a person got and when, in order.
Got = Sequence[tuple[float, str]]


def _by_person(taken: Sequence[Mapping[str, Any]]) -> Mapping[str, Got]:
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for one in sorted(taken, key=lambda one: one["at"]):
        found[one["address"].removeprefix("device-of-")].append((one["at"], one["title"]))
    return found


def _has_several(got: Got, _held: str) -> bool:
    return len({title for _, title in got}) > 1


def _is_not_what_is_held(got: Got, held: str) -> bool:
    first = next((at for at, title in got if title == held), None)
    return first is None or any(title != held and at > first + IN_FLIGHT_SECONDS for at, title in got)


def _title(terms: str) -> str:
    return f"{round(float(json.loads(terms)['discount']) * 100)}% off"


_LIVE_CLAIMS = (
    sa.select(
        offer_claims.c.profile_id,
        sa.func.min(offer_claims.c.terms),
        sa.func.count(sa.distinct(offer_claims.c.terms_hash)),
    )
    .where(offer_claims.c.until > sa.bindparam("now", type_=offer_claims.c.until.type))
    .group_by(offer_claims.c.profile_id, offer_claims.c.scope)
)
_SEVERAL_TERMS = sa.select(sa.func.count()).select_from(
    sa.select(messages.c.profile_id)
    .where(messages.c.state.not_in(("refused", *UNSENT, *FAILED)))
    .group_by(messages.c.profile_id)
    .having(sa.func.count(sa.distinct(messages.c.offer)) > 1)
    .subquery()
)


def _later_than_the_newer() -> sa.Select[Any]:
    """People to whom the older of two offers was handed over in an attempt that began after the newer one's.

    The newer holds the claim: when two are decided on at once, times do not tell which was first.
    """
    older, newer = messages.alias("older"), messages.alias("newer")
    of_older, of_newer = message_attempts.alias("of_older"), message_attempts.alias("of_newer")
    return (
        sa.select(sa.func.count(sa.distinct(older.c.profile_id)))
        .join(offer_claims, offer_claims.c.profile_id == older.c.profile_id)
        .join(newer, newer.c.message_id == offer_claims.c.held_by)
        .join(of_older, sa.and_(of_older.c.message_id == older.c.message_id, of_older.c.outcome == "accepted"))
        .join(of_newer, sa.and_(of_newer.c.message_id == newer.c.message_id, of_newer.c.outcome == "accepted"))
        .where(older.c.offer != newer.c.offer, of_older.c.started_at > of_newer.c.started_at)
    )


@dataclass(frozen=True)
class _Sent:
    """A message that was accepted by us, and by the provider in an attempt that began at `started_at`."""

    discount: str
    created_at: datetime
    started_at: datetime | None


def _messages_by_id(store: Store) -> Mapping[str, list[_Sent]]:
    """The messages to each profile that no gate refused."""
    is_taken = sa.and_(message_attempts.c.message_id == messages.c.message_id, message_attempts.c.outcome == "accepted")
    wanted = (
        sa.select(messages.c.profile_id, messages.c.offer, messages.c.created_at, message_attempts.c.started_at)
        .outerjoin(message_attempts, is_taken)
        .where(messages.c.state != "refused")
    )
    found: dict[str, list[_Sent]] = defaultdict(list)
    with store.read() as connection:
        for profile_id, offer, created_at, started_at in connection.execute(wanted):
            found[profile_id].append(_Sent(json.loads(offer)["discount"], created_at, started_at))
    return found


def _is_wrong_after(rule: str, merged_at: datetime, of_both: Sequence[_Sent]) -> bool:
    """Whether two people got another offer than the one that stands, in an attempt that began when they were one."""
    late = [(one, one.started_at) for one in of_both if one.started_at and one.started_at > merged_at]
    if rule == "supersede":
        return any(
            other.discount != one.discount and one.created_at < other.created_at < started_at - _TRANSACTION
            for one, started_at in late
            for other in of_both
        )
    _, first = min((one.started_at, one.discount) for one in of_both if one.started_at)
    return any(one.discount != first for one, _ in late)


# Times are read before their transactions begin.
_TRANSACTION = timedelta(seconds=1)
_LATER_THAN_THE_NEWER = _later_than_the_newer()
_REFUSED = (
    sa.select(messages.c.profile_id, decisions.c.answer)
    .join(decisions, decisions.c.decision_id == messages.c.decision_id)
    .where(messages.c.state == "refused")
)


def _named_by(answer: str) -> str | None:
    """The message that a refusal names as the holder of the claim."""
    reasons = json.loads(answer)["reasons"]
    return next((one["evidence_id"] for one in reasons if one["code"] == "other_terms_claimed"), None)
