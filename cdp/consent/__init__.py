"""Consent: statements, the hash chain that protects them, and what they permit. Pure functions.

A statement becomes an entry in an append-only ledger (`cdp/consent/ledger.py`) and is never changed: what is allowed
is a fold over the entries, as of a time. Consent belongs to the contact point (an address, a number, a device), so
merging two profiles never widens it, and splitting them loses none.
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
