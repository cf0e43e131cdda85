"""Facts, policies and questions for tests of decisions, with invented people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from cdp.consent import Entry, Suppression, contact_point_id
from cdp.decision import Address, Decision, Facts, Question, decide
from cdp.decision.policy import Policy
from cdp.settings import DATA

# A Wednesday, 14:00 in Zürich and 08:00 in New York.
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EMAIL, PHONE, DEVICE = ("email", "ann@example.com"), ("phone", "+14155550100"), ("device_token", "dQw4w9WgXcQ")
TYPES = {"email": EMAIL, "sms": PHONE, "whatsapp": PHONE, "push": DEVICE}


def policy(**changes: Any) -> Policy:
    """The shipped policy with some fields replaced."""
    shipped = yaml.safe_load(Path(DATA / "policy.yaml").read_text(encoding="utf-8"))
    return Policy.model_validate(shipped | changes)


def address(kind: str, value: str, country: str | None = None) -> Address:
    return Address(contact_point_id(kind, value), kind, country, value)


ANN = (address(*EMAIL), address(*PHONE, country="US"), address(*DEVICE))


def entry(
    channel: str,
    state: str,
    at: datetime = NOW - timedelta(days=9),
    *,
    point: tuple[str, str] | None = None,
    name: str | None = None,
    **stated: Any,
) -> Entry:
    """A ledger entry about Ann's address on a channel, or about `point`."""
    kind, value = point or TYPES[channel]
    fields: dict[str, Any] = {
        **{"purpose": "marketing", "topic": None, "scope": "channel", "basis": None, "source": "test"},
        **{"actor": "person", "evidence": None, "previous_hash": None, "entry_hash": "", "seq": 1},
        **{"occurred_at": at, "recorded_at": at, "channel": channel, "state": state, **stated},
    }
    return Entry(
        entry_id=name or f"{channel}-{state}",
        contact_point_id=contact_point_id(kind, value),
        contact_point_type=kind,
        **fields,
    )


GRANTS = tuple(entry(channel, "granted", name=f"grant-{channel}") for channel in ("email", "sms", "push", "whatsapp"))


def suppressed(channel: str, reason: str, at: datetime = NOW - timedelta(days=1), **more: Any) -> Suppression:
    point = contact_point_id(*TYPES.get(channel, EMAIL))
    return Suppression(point, channel, reason, "test", at, **{"entry_id": f"why-{reason}", **more})


def ann(**known: Any) -> Facts:
    """Ann in Zürich, with consent everywhere and reachable on every channel but WhatsApp."""
    facts = {"addresses": ANN, "entries": GRANTS, "timezone": "Europe/Zurich", "country": "CH"} | known
    return Facts("prf_ann", **facts)


def decided(
    facts: Facts,
    *candidates: str,
    purpose: str = "marketing",
    now: datetime = NOW,
    rules: Policy | None = None,
    **asked: Any,
) -> Decision:
    question = Question("dec_1", purpose, candidates or ("email",), **asked)
    return decide(question, facts, rules or policy(), now)


def verdicts(decision: Decision) -> list[tuple[str | None, str, str, str, str | None]]:
    """(channel, gate, verdict, code, evidence) of every reason."""
    return [
        (reason.channel, reason.gate, reason.verdict, reason.code, reason.evidence_id) for reason in decision.reasons
    ]
