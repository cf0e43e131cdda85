"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

from cdp.metrics.catalogue import Relation, relations


def aggregated(relation: Relation) -> str:
    """The name of the relation of a relation's metrics."""
    position = relations().index(relation)
    return f"metrics_{position}_of_{relation.name}"


PROVIDED = {
    "source_priority": "sources whose values win: source, rank",
    "taken_back_by": "the names by which sources take a trait back: name, trait",
    "core_traits": "traits that have a column of their own: trait",
    "is_lapse()": "whether so many days without an order are too many",
    **{aggregated(relation): f"metrics of `{relation.name}`, a row a person" for relation in relations()},
}
