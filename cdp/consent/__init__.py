"""Consent: what was stated, the chain of hashes that keeps it, and what follows from it. Pure functions.

A statement becomes an entry of an append-only ledger (`cdp/consent/ledger.py`). Nothing is ever changed: what is
allowed is a fold over the entries, as of a time. Consent belongs to the contact point (an address, a number, a
device), so joining two profiles never widens it, and parting them loses none.
"""

from cdp.consent.chain import Break, Head, first_break, seal
from cdp.consent.effects import CONSENT_EVENTS, EFFECTS, Effects, effects_of
from cdp.consent.standing import ConsentRules, Standing, fold
from cdp.consent.statement import (
    EVERY_CHANNEL,
    OPT_OUTS,
    ContactPoint,
    Entry,
    Lift,
    Statement,
    Suppression,
    contact_point_id,
)

__all__ = [
    "CONSENT_EVENTS",
    "EFFECTS",
    "EVERY_CHANNEL",
    "OPT_OUTS",
    "Break",
    "ConsentRules",
    "ContactPoint",
    "Effects",
    "Entry",
    "Head",
    "Lift",
    "Standing",
    "Statement",
    "Suppression",
    "contact_point_id",
    "effects_of",
    "first_break",
    "fold",
    "seal",
]
