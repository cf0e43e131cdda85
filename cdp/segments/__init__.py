"""Segments: rules as data (`data/segments.yaml`).

A rule is a tree (`rules`, loaded from its file by `catalogue`) with three interpretations: `running` finds the members,
using the facts from `gathering`; `wording` puts the rule into plain words; `explaining` shows for one profile which
conditions hold, and for which values.
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
