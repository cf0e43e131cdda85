"""The evaluation report: an HTML page with its curves that opens offline, and the curves as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cdp.warehouse import disk_errors
from pipelines.evaluation.behaviour import Evaluation
from pipelines.evaluation.picture import Shape, as_png, as_svg, reliability

_TEMPLATE = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
).get_template("behaviour_report.html")


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write `reliability.html` and a PNG file for each curve to `folder`; return the paths, the page first.

    Raises:
        Unavailable: the folder is not writable.
    """
    curves = _curves(evaluation)
    files = {folder / "reliability.html": page(evaluation, curves).encode()}
    files |= {folder / f"{name}.png": as_png(shapes) for name, shapes in curves.items()}
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_bytes(content)
    return list(files)


def _curves(evaluation: Evaluation) -> dict[str, list[Shape]]:
    """The shapes of each curve, by file name."""
    curves = {}
    if evaluation.channels:
        curves["reliability"] = reliability(evaluation.channels.deciles, "Will this message be answered?")
    if evaluation.hours:
        curves["reliability-hours"] = reliability(evaluation.hours.deciles, "Will the open come in this hour?")
    return curves


def page(evaluation: Evaluation, curves: Mapping[str, list[Shape]]) -> str:
    """The HTML page. It shows counts and shares only, no personal data."""
    pictures = {name: Markup(as_svg(shapes, "predicted against observed")) for name, shapes in curves.items()}
    return _TEMPLATE.render(evaluation=evaluation, pictures=pictures)
