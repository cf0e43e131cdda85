"""The reliability curve: the predicted chance against the observed share, as shapes rendered to SVG or PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import pairwise
from math import ceil, sqrt

from PIL import Image, ImageDraw, ImageFont

from pipelines.evaluation.measures import Bin

WIDTH, HEIGHT = 560, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 530, 50, 380
_TICKS = 5
# Standard errors to either side of a share.
_BAND = 1.96
# The PNG is drawn larger: for high-density screens, and to smooth its edges.
_SCALE = 2
_SMOOTH = 2
INK, QUIET, CURVE = "#1c1c1c", "#9a9a9a", "#0b63a8"


@dataclass(frozen=True)
class Line:
    ends: tuple[float, float, float, float]
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Dot:
    at: tuple[float, float]
    colour: str
    radius: float = 4.0


@dataclass(frozen=True)
class Words:
    """Text; anchor: which part of it is at `at`: start, middle or end."""

    at: tuple[float, float]
    text: str
    anchor: str = "middle"
    size: int = 13


Shape = Line | Dot | Words


def reliability(bins: Sequence[Bin], title: str) -> list[Shape]:
    """The curve's shapes, in pixels. Each bin is a dot with its 95% interval; the diagonal is perfect calibration."""
    top = max([0.1, *(max(one.predicted, one.happened + _error(one)) for one in bins)])
    top = min(1.0, ceil(top * 20) / 20)

    def place(predicted: float, happened: float) -> tuple[float, float]:
        across, up = predicted / top, max(0.0, min(happened / top, 1.0))
        return _LEFT + across * (_RIGHT - _LEFT), _BOTTOM - up * (_BOTTOM - _TOP)

    dots = [place(one.predicted, one.happened) for one in bins]
    return [
        Words((WIDTH / 2, 28), title, size=16),
        *_axes(top, place),
        Line((*place(0, 0), *place(top, top)), QUIET),
        *(
            Line((*place(b.predicted, b.happened - _error(b)), *place(b.predicted, b.happened + _error(b))), CURVE)
            for b in bins
        ),
        *(Line((*one, *next_one), CURVE, 2) for one, next_one in pairwise(dots)),
        *(Dot(dot, CURVE) for dot in dots),
    ]


def _error(one: Bin) -> float:
    return _BAND * sqrt(max(one.happened * (1 - one.happened), 0.0) / one.cases)


def _axes(top: float, place: Callable[[float, float], tuple[float, float]]) -> Iterator[Shape]:
    yield Line((*place(0, 0), *place(top, 0)), INK)
    yield Line((*place(0, 0), *place(0, top)), INK)
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        label = f"{value:.0%}"
        across, up = place(value, 0), place(0, value)
        yield Words((across[0], across[1] + 20), label, size=12)
        yield Words((up[0] - 8, up[1] + 4), label, "end", 12)
    yield Words(((_LEFT + _RIGHT) / 2, HEIGHT - 15), "predicted chance")
    yield Words((_LEFT - 50, _TOP - 12), "observed", "start")


def as_svg(shapes: Sequence[Shape], label: str) -> str:
    """The shapes as an <svg> element for a page."""
    drawn = "".join(map(_element, shapes))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(label)}" '
        f'font-family="system-ui, sans-serif">{drawn}</svg>'
    )


def _element(shape: Shape) -> str:
    match shape:
        case Line((x1, y1, x2, y2), colour, width):
            return (
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                f'stroke="{colour}" stroke-width="{width}"/>'
            )
        case Dot((x, y), colour, radius):
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'
        case Words((x, y), text, anchor, size):
            return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def as_png(shapes: Sequence[Shape]) -> bytes:
    """The shapes as a PNG file at twice the size."""
    scale = _SCALE * _SMOOTH
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), "white")
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        _paint(draw, shape, scale)
    file = BytesIO()
    image.resize((WIDTH * _SCALE, HEIGHT * _SCALE), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _paint(draw: ImageDraw.ImageDraw, shape: Shape, scale: int) -> None:
    match shape:
        case Line((x1, y1, x2, y2), colour, width):
            draw.line((x1 * scale, y1 * scale, x2 * scale, y2 * scale), colour, round(width * scale))
        case Dot((x, y), colour, radius):
            box = ((x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale)
            draw.ellipse(box, colour)
        case Words((x, y), text, anchor, size):
            side = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
            draw.text((x * scale, y * scale), text, INK, ImageFont.load_default(size * scale), side)
