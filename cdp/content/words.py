"""What a template says in its own words, whoever gets it, and the prices that it names.

A template is read once through all its branches. Values that it gets are marks in the text, since they may be anything;
what Liquid makes of constants, such as `{{ 0.2 | times: 100 }}`, is words of the template like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.path import Path
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.expression import Expression

from cdp.content.liquid import evaluated, expressions_within, parsed
from cdp.content.markdown import to_text
from cdp.content.model import Template, texts_of
from cdp.content.titles import plain
from cdp.yaml_files import Place

# Marks for values, of characters that no text has: what the offer costs, what a sender or a person gave, any other.
OFFERED, GIVEN, OTHER = "\ue000", "\ue001", "\ue002"
# What others gave makes whatever is made from it theirs.
_MARKS = (GIVEN, OFFERED, OTHER)
_TERMS = ("price", "discount")
_ROOTS = {"person": GIVEN, "data": GIVEN, "products": OTHER, "brand": OTHER, "unsubscribe_url": OTHER}

_CODES = "EUR|USD|CHF|GBP|JPY|SEK|NOK|DKK|PLN|CAD|AUD"
_SIGNS = "€|\\$|£|¥"
_PERCENT = "percent|per\\scent|pct|prozent|pour\\s?cent|per\\s?cento|por\\s?ciento"
_COINS = "euros?|dollars?|francs?|franken|franchi|francos"
_TENS = (
    "five|ten|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety",
    "fünf|zehn|fünfzehn|zwanzig|dreißig|dreissig|vierzig|fünfzig|sechzig|siebzig|achtzig|neunzig",
    "cinq|dix|quinze|vingt|trente|quarante|cinquante|soixante|cinque|dieci|quindici|venti|trenta|quaranta|cinquanta",
    "cinco|diez|quince|veinte|treinta|cuarenta|cincuenta|sesenta",
)
_HALF = (
    "half[\\s-](?:the\\s)?price|half\\soff|1[/⁄]2\\s(?:the\\s)?(?:price|off)",
    "halbe[mnr]?\\spreis|halbpreis|moitié\\s(?:du\\s)?prix|demi[\\s-]tarif|metà\\sprezzo|mitad\\sdel?\\sprecio",
)
_UNIT = f"[\\s-]?(?:%|{_SIGNS}|(?:{_CODES}|{_PERCENT}|{_COINS})(?!\\w))"
_CURRENCY = f"(?:{_SIGNS}|(?<!\\w)(?:{_CODES}))\\s?"
_WRITTEN = re.compile(
    f"\\d+(?:[.,](?:\\d+|[-–—]+))?{_UNIT}|{_CURRENCY}\\d+(?:[.,]\\d+)?"
    f"|(?<!\\w)(?:(?:{'|'.join(_TENS)})[\\s-]?(?:{_PERCENT})|{'|'.join(_HALF)})(?!\\w)",
    re.IGNORECASE,
)
_TOLD = re.compile(f"{GIVEN}{_UNIT}|{_CURRENCY}{GIVEN}", re.IGNORECASE)
_LONGEST = 100_000
# In bits; Python writes no number that is much longer.
_LONGEST_NUMBER = 10_000
# In addresses, % is no percentage.
_URL = re.compile(r"https?://[^\s)]+")


def price_in(words: str) -> str | None:
    """The first price or percentage that is written out in words of a template, if there is one."""
    found = _WRITTEN.search(words)
    return found[0].strip() if found else None


def shows_terms(template: Template) -> bool:
    """Whether the template shows what its offer costs as the offer says it, and names no price in any other way.

    Then it can be sent with other terms of the same kind, and says those.
    """
    said = [words for _, words in words_of(template)]
    names_others = any(price_in(words) or _TOLD.search(words) for words in said)
    return not names_others and any(OFFERED in words for words in said)


def words_of(template: Template) -> Iterator[tuple[Place, str]]:
    """The words of each text of a template, with its place: once with the values, once with the template's constants
    where they may stand instead, as defaults or in another branch.
    """
    for prefers_constants in (False, True):
        readers: dict[Place, _Reader] = {}
        for place, text in texts_of(template):
            # What a text assigns, later ones of its message can say.
            reader = readers.setdefault(place[:3], _Reader(prefers_constants=prefers_constants))
            yield place, _URL.sub("", plain(reader.words(_as_read(place, text))))


def _as_read(place: Place, text: str) -> BoundTemplate:
    is_markdown = "blocks" in place and place[-1] == "text"
    return parsed(to_text(text) if is_markdown else text, ".".join(map(str, place[1:])))


class _Reader:
    """Reads the texts of one message."""

    def __init__(self, *, prefers_constants: bool) -> None:
        self._prefers_constants = prefers_constants
        self._locals: dict[str, object] = {}

    def words(self, template: BoundTemplate) -> str:
        with template.context_class(template).extend(self._locals) as context:
            return _joined(self._said(node, context) for node in template.nodes)

    def _said(self, node: Node, context: RenderContext) -> str:
        match node:
            case ContentNode():
                return node.text
            case OutputNode():
                return _text(self._value(node.expression, context))
            case CycleNode():
                return _joined(_text(self._value(one, context)) for one in node.args)
            case AssignNode():
                self._keep(node.name, self._value(node.expression, context))
                return ""
            case CaptureNode():
                self._keep(node.name, self._said(node.block, context))
                return ""
            case ForNode() | TablerowNode():
                self._locals[node.expression.identifier] = self._first(node.expression.iterable, context)
        return _joined(self._said(child, context) for child in node.children(context, include_partials=False))

    def _keep(self, name: str, value: object) -> None:
        """Give a name its value. A sum that begins at nothing is no constant once values are added."""
        earlier = self._locals.get(name)
        stands = self._prefers_constants and earlier and not _marks_in(earlier) and _marks_in(value)
        self._locals[name] = earlier if stands else value

    def _first(self, iterable: Expression, context: RenderContext) -> object:
        """What a loop begins with."""
        values = self._value(iterable, context)
        return values[0] if isinstance(values, list | tuple | range) and values else values

    def _value(self, expression: Expression, context: RenderContext) -> object:
        """What an expression says: a constant, or the mark of the values that it is made from."""
        mark = self._mark(expression)
        if mark is None:
            return evaluated(expression, context, otherwise=OTHER)
        if isinstance(expression, Path) or (isinstance(expression, FilteredExpression) and not expression.filters):
            return self._kept(expression) or mark
        default = self._default(expression)
        return self._value(default, context) if default and self._prefers_constants else mark

    def _kept(self, expression: Expression) -> object:
        """The value of a name that the template gave, with the marks in it."""
        path = expression.left if isinstance(expression, FilteredExpression) else expression
        return self._locals.get(str(path.path[0])) if isinstance(path, Path) and len(path.path) == 1 else None

    def _default(self, expression: Expression) -> Expression | None:
        """What an expression says instead of a value that is missing."""
        if not isinstance(expression, FilteredExpression):
            return None
        filters = expression.filters or []
        for number, one in enumerate(filters):
            if one.name == "default" and one.args:
                return FilteredExpression(expression.token, one.args[0].value, filters[number + 1 :])
        return None

    def _mark(self, expression: Expression) -> str | None:
        """The mark of an expression that has values in it."""
        paths = (one for one in expressions_within(expression) if isinstance(one, Path))
        marks = {mark for path in paths for mark in self._marks(path)}
        return next((mark for mark in _MARKS if mark in marks), None)

    def _marks(self, path: Path) -> Iterable[str]:
        root, *rest = path.path
        if root in self._locals:
            return _marks_in(self._locals[str(root)])
        if root == "offer":
            return [(OFFERED if rest[0] in _TERMS else OTHER) if rest and isinstance(rest[0], str) else GIVEN]
        return [_ROOTS[str(root)]] if root in _ROOTS else []


def _marks_in(value: object) -> Sequence[str]:
    text = _text(value)
    return [mark for mark in _MARKS if mark in text]


def _joined(texts: Iterable[str]) -> str:
    """Texts one after the other, up to the length that no message has: what doubles itself ends here."""
    found, length = [], 0
    for text in texts:
        found.append(text[: _LONGEST - length])
        length += len(found[-1])
        if length == _LONGEST:
            break
    return "".join(found)


def _text(value: object) -> str:
    match value:
        case list() | tuple():
            return _joined(map(_text, value))
        case int() if value.bit_length() > _LONGEST_NUMBER:
            return OTHER
    return "" if value is None else str(value)
