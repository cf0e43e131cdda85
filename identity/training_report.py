"""The training report: one offline HTML page with the training data, the outcome and Splink's charts."""

from __future__ import annotations

from math import log2
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from identity.linker import charts
from identity.model import COMPARISONS, MAX_BLOCK_SIZE, MAX_WRONG_LINKS, Model

_TEMPLATE = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
).get_template("training_report.html")


def report(model: Model) -> str:
    """The page for a model made by `train`. It shows only counts and shares, no value of any record."""
    return _TEMPLATE.render(
        model=model,
        training=model.training,
        fields=[_field(model, comparison.name) for comparison in COMPARISONS],
        unseen=[f"{name}: {', '.join(levels)}" for name, levels in model.training["levels_no_match_showed"].items()],
        max_wrong_links=MAX_WRONG_LINKS,
        max_block_size=MAX_BLOCK_SIZE,
        charts=charts(model),
    )


def _field(model: Model, name: str) -> dict[str, Any]:
    """A comparison's levels: name, m, u, the weight in bits, and whether no match showed it."""
    unseen = model.training["levels_no_match_showed"].get(name, [])
    levels = [
        {"name": level, "m": m, "u": u, "weight": log2(m / u), "unseen": level in unseen}
        for level, (m, u) in model.levels[name].items()
    ]
    return {"name": name, "levels": levels}
