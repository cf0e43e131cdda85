"""Segments: rules as data (`data/segments.yaml`).

One tree (`rules`, read from its file by `catalogue`), three readings: `running` finds who is in, over the facts that
`gathering` brings; `wording` says the rule in plain words; `explaining` says of one profile what held on which value.
"""

from cdp.segments.catalogue import load_catalogue, parse_catalogue
from cdp.segments.explaining import Finding, Person, explain
from cdp.segments.rules import Catalogue, Rule, Segment
from cdp.segments.running import memberships
from cdp.segments.wording import in_words

__all__ = [
    "Catalogue",
    "Finding",
    "Person",
    "Rule",
    "Segment",
    "explain",
    "in_words",
    "load_catalogue",
    "memberships",
    "parse_catalogue",
]
