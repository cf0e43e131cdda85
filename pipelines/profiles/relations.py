"""Relations that Python provides to this folder's SQL; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

from cdp.metrics.catalogue import Relation, relations


def aggregated(relation: Relation) -> str:
    """The name of the relation that holds a relation's metrics."""
    position = relations().index(relation)
    return f"metrics_{position}_of_{relation.name}"


PROVIDED = {
    "source_priority": "sources whose values take precedence: source, rank",
    "core_traits": "traits with a column of their own: trait, and whether decisions depend on it (is_guarded)",
    "is_lapse()": "whether this many days without an order are a lapse",
    **{aggregated(relation): f"metrics of `{relation.name}`, a row per person" for relation in relations()},
}
