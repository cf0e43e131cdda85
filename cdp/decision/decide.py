"""The decision: a pure function of question, facts, policy and clock, so that an audit can replay it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cdp.decision.caps import Counted, limits, messages
from cdp.decision.gates import (
    addresses_on,
    chat_closes_at,
    consent,
    reachable,
    resolvable,
    suppression,
    unreachable,
)
from cdp.decision.holdout import assigned, holdout_gate
from cdp.decision.model import Address, Decision, Facts, Fallback, Holdout, Question, Reason, Score
from cdp.decision.offers import OfferVerdict, offer_gate
from cdp.decision.policy import Policy
from cdp.decision.schedule import Terms, schedule
from cdp.decision.timezones import TimeZones, time_zones

_HOUR = timedelta(hours=1)
# The name of the policy's own holdout.
EVERYTHING = "everything"


@dataclass(frozen=True)
class _Case:
    """A question with everything needed to answer it. The message may go out from `start` to `latest`."""

    question: Question
    facts: Facts
    policy: Policy
    now: datetime
    counted: tuple[Counted, ...]

    @property
    def start(self) -> datetime:
        return max(self.now, self.question.at or self.now)

    @property
    def latest(self) -> datetime:
        longest = self.start + self.policy.longest_wait_hours * _HOUR
        offer_ends = self.question.offer.ends_at if self.question.offer else None
        return min(longest, self.question.deadline or longest, offer_ends or longest)

    def latest_on(self, channel: str) -> datetime:
        """`latest`, or when a chat closes before that."""
        return min(self.latest, chat_closes_at(self.facts, channel) or self.latest)


@dataclass(frozen=True)
class _Candidate:
    """The gates' verdicts on a channel. `address` is set if only timing can still prevent a message."""

    channel: str
    reasons: tuple[Reason, ...]
    is_open: bool = False
    address: Address | None = None
    terms: Terms | None = None
    send_at: datetime | None = None


def decide(question: Question, facts: Facts, policy: Policy, now: datetime) -> Decision:
    """Whether, on which channel and when to message a person.

    Each candidate channel passes through the gates in order until one fails, trying its addresses in turn until one
    reaches the timing gates. Among the channels that can be used before the deadline, the best score wins; urgency
    discounts a score for waiting (see the policy). The other channels become fallbacks.

    Args:
        question: its purpose must be in the policy.
        facts: as of `now`.
        now: UTC.
    """
    # With NumPy, which a server imports when it already answers (`api.app`).
    from cdp.decision.scores import channel_scores

    counted = messages(facts.planned, facts.sent, policy.purposes)
    case = _Case(question, facts, policy, now, counted)
    offer = offer_gate(question.offer, facts.claims, policy.offers, case.start)
    about_person = [resolvable(facts), holdout_gate(assignments(question, facts, policy)), offer.reason]
    verdicts = list(_until_one_fails(reason for reason in about_person if reason))
    is_open = verdicts[-1].verdict == "pass"
    candidates = [_candidate(channel, case) for channel in question.candidates] if is_open else []
    scores = channel_scores(facts, [one.channel for one in candidates if one.is_open], policy.scores, now)
    ranked = _ranked(candidates, scores, case)
    reasons = (*verdicts, *(reason for candidate in candidates for reason in candidate.reasons))
    return _answer(case, ranked, reasons, scores, offer)


def assignments(question: Question, facts: Facts, policy: Policy) -> Mapping[str, bool]:
    """Whether the person is held out, by the name of each holdout of the question; messages that need no consent have
    none.
    """
    if facts.profile_id is None or not policy.purposes[question.purpose].needs_consent:
        return {}
    of_policy = (Holdout(EVERYTHING, policy.holdout_share),) if policy.holdout_share else ()
    return assigned((*of_policy, *question.holdouts), facts.held_out, facts.profile_id)


def _until_one_fails(reasons: Iterable[Reason]) -> Iterator[Reason]:
    for reason in reasons:
        yield reason
        if reason.verdict == "fail":
            return


def _candidate(channel: str, case: _Case) -> _Candidate:
    reasons: list[Reason] = []
    is_open = False
    for address in addresses_on(case.facts, channel, case.start):
        reasons.append(reachable(address, channel))
        reasons.append(suppression(address, channel, case.facts, case.now))
        if reasons[-1].verdict == "fail":
            continue
        is_open = True
        reasons.append(consent(address, channel, case.facts, case.question, case.policy, case.now))
        if reasons[-1].verdict == "pass":
            return _scheduled(channel, address, reasons, case)
    return _Candidate(channel, tuple(reasons) or (unreachable(case.facts, channel),), is_open)


def _scheduled(channel: str, address: Address, reasons: Sequence[Reason], case: _Case) -> _Candidate:
    terms = _terms(channel, address, case)
    slot = schedule(terms, case.start, case.latest_on(channel))
    return _Candidate(channel, (*reasons, *slot.reasons), True, address, terms, slot.send_at)


def _terms(channel: str, address: Address, case: _Case) -> Terms:
    policy, facts = case.policy, case.facts
    quiet = policy.quiet_hours.get(channel)
    zones = _time_zones(facts, address, policy) if quiet else None
    is_capped = policy.purposes[case.question.purpose].is_capped
    return Terms(channel, quiet, zones, limits(policy.frequency_caps, channel, case.counted) if is_capped else None)


def _time_zones(facts: Facts, address: Address, policy: Policy) -> TimeZones | None:
    country = facts.country or address.country
    return time_zones(facts.timezone, country, policy.timezone_unknown, is_claim=facts.timezone_is_claim)


def _ranked(candidates: Sequence[_Candidate], scores: dict[str, Score], case: _Case) -> list[_Candidate]:
    """The channels that can be used in time, best first; ties keep the order of the question."""
    halving = case.policy.delay_halves_score_after_hours.get(case.question.urgency)

    def worth(candidate: _Candidate) -> float:
        delay = (candidate.send_at or case.latest) - case.start
        return scores[candidate.channel].mean * (0.5 ** (delay / _HOUR / halving) if halving else 1.0)

    return sorted((one for one in candidates if one.send_at), key=worth, reverse=True)


def _answer(
    case: _Case,
    ranked: Sequence[_Candidate],
    reasons: tuple[Reason, ...],
    scores: dict[str, Score],
    offer: OfferVerdict,
) -> Decision:
    best = ranked[0] if ranked else None
    address = best.address if best else None
    return Decision(
        decision_id=case.question.decision_id,
        allowed=best is not None,
        channel=best.channel if best else None,
        contact_point_id=address.contact_point_id if address else None,
        address=address.value if address else None,
        send_at=best.send_at if best else None,
        expires_at=_expires_at(best, case) if best else None,
        reasons=reasons,
        scores=scores,
        fallbacks=_fallbacks(ranked, case),
        policy_version=case.policy.version,
        as_of=case.now,
        offer=offer.terms if best else None,
        supersedes=tuple(claim.held_by for claim in offer.superseded) if best else (),
    )


def _expires_at(best: _Candidate, case: _Case) -> datetime | None:
    if best.send_at is None or best.terms is None:
        return None
    latest = min(case.latest_on(best.channel), best.send_at + case.policy.valid_for_hours * _HOUR)
    return best.terms.quiet_begins(best.send_at, latest)


def _fallbacks(ranked: Sequence[_Candidate], case: _Case) -> tuple[Fallback, ...]:
    """The next channels in order: each waits for the previous one, then for its own quiet hours and caps."""
    found: list[Fallback] = []
    after = ranked[0].send_at if ranked else None
    for before, candidate in pairwise(ranked):
        wait = case.policy.fallbacks.get(before.channel)
        if wait is None or after is None or candidate.terms is None:
            break
        after = schedule(candidate.terms, after + wait.delay, case.latest_on(candidate.channel)).send_at
        if after is None:
            break
        found.append(Fallback(candidate.channel, after, wait.when))
    return tuple(found)
