"""Liquid, as templates use it: what is missing is an error, and no template can take long or grow large."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from liquid import BoundTemplate, Environment, FalsyStrictUndefined, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LiquidError, LoopIterationLimitError
from liquid.expression import Expression
from liquid.undefined import is_undefined

from cdp.errors import InputRefused

# Tags that read other templates or leak state between renderings.
_LEFT_OUT = ("include", "render", "increment", "decrement")

# The outputs and tags in a text.
LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

_MOST_LOOPS = 2_000
# Characters that the filters of a rendering read and make in all; an item of a list, or a turn of a loop, is as many as
# its memory and time are worth.
_MOST_COMPUTED = 1_000_000
_ITEM = 50
# Filters raise what Python raises where their input is not what they expect.
_FILTER_ERRORS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError)
# A format or a moment: reading longer ones takes long.
_LONGEST_DATE = 200


class _Context(RenderContext):
    """A rendering, which counts what its filters and loops compute: Liquid's own limits count what is written."""

    __slots__ = ("_computed",)

    def spend(self, amount: int) -> None:
        """Count what is about to be computed, or was.

        Raises:
            LiquidError: the rendering computes too much.
        """
        self._computed: int = getattr(self, "_computed", 0) + amount
        if self._computed > _MOST_COMPUTED:
            raise LiquidError("the text becomes too long for its filters and loops", token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        super().raise_for_loop_limit(length)
        self.spend(length * _ITEM)


class _Template(BoundTemplate):
    context_class = _Context


class _Limited(Environment):
    template_class = _Template
    context_depth_limit = 10
    loop_iteration_limit = _MOST_LOOPS
    local_namespace_limit = 100_000
    output_stream_limit = 500_000


class _BoundedRange(RangeLiteral):
    """A range of numbers that is short, wherever it stands: filters and comparisons run through ranges, too."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        numbers = super().evaluate(context)
        if numbers.stop - numbers.start > _MOST_LOOPS:
            raise LoopIterationLimitError(f"a range has more than {_MOST_LOOPS:,} numbers", token=None)
        return numbers


class ContentRefused(InputRefused):
    """The content cannot be rendered: something is missing, broken, or too long."""

    code = "content_refused"


def _bounded(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that refuses before it computes too much: what it reads and multiplies is counted first."""
    takes_context = getattr(work, "with_context", False)

    @wraps(work)
    def bounded(*values: Any, context: _Context, **named: Any) -> Any:
        context.spend(_size([*values, *named.values()]) + _multiplied(name, values))
        made = work(*values, **named, **({"context": context} if takes_context else {}))
        context.spend(_size(made))
        return made

    bounded.with_context = True  # type: ignore[attr-defined]
    return bounded


def _multiplied(name: str, values: Sequence[Any]) -> int:
    """What a filter makes beyond what it reads."""
    match name, values:
        case "replace", (text, old, new, *_):
            return _written(text).count(_written(old)) * len(_written(new))
        case "join", (items, separator, *_):
            return _items_in(items) * len(_written(separator))
        case "uniq", (items, *_):
            # It compares each with each.
            return _items_in(items) ** 2
        case "date", _ if any(len(_written(value)) > _LONGEST_DATE for value in values):
            raise LiquidError(f"a date or its format has more than {_LONGEST_DATE} characters", token=None)
    return 0


def _written(value: Any) -> str:
    return "" if value is None or is_undefined(value) else str(value)


def _size(value: Any) -> int:
    """How much a value is, about the characters that it has when it is written."""
    match value:
        case str():
            return len(value)
        case bool() | float() | None:
            return 1
        case int():
            return value.bit_length() // 3 + 1
        case range():
            return len(value) * _ITEM
        case list() | tuple():
            return sum(_size(item) + _ITEM for item in value)
        case dict():
            return sum(_size(item) + _ITEM for pair in value.items() for item in pair)
    return _ITEM


def _items_in(value: Any) -> int:
    """The items of a list; those in its lists are its own, as filters take them."""
    if isinstance(value, list | tuple):
        return sum(_items_in(item) for item in value)
    return len(value) if isinstance(value, range) else 1


def _environment(*, escapes: bool) -> Environment:
    environment = _Limited(autoescape=escapes, undefined=FalsyStrictUndefined)
    for tag in _LEFT_OUT:
        environment.tags.pop(tag, None)
    for name, work in environment.filters.items():
        environment.filters[name] = _bounded(name, work)
    return environment


_HTML, _TEXT = _environment(escapes=True), _environment(escapes=False)


def parsed(source: str, place: str, *, is_html: bool = False) -> BoundTemplate:
    """A template of Liquid; in HTML, values are escaped.

    Args:
        place: names the field in errors, such as `en.email.subject`.

    Raises:
        ContentRefused: it is not Liquid.
    """
    try:
        template = (_HTML if is_html else _TEXT).from_string(source, name=place)
        for expression in _expressions_of(template):
            if type(expression) is RangeLiteral:
                # The parser knows no other class for ranges.
                expression.__class__ = _BoundedRange
        return template
    except LiquidError as error:
        raise ContentRefused(f"{place}: {_problem(error)}") from error
    except RecursionError as error:
        raise ContentRefused(f"{place}: nested too deeply") from error


def rendered(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    """The text with its values.

    Raises:
        ContentRefused: a value is missing, or a limit was reached. The message quotes the template, never a value.
    """
    try:
        return template.render(**values)
    except LiquidError as error:
        raise ContentRefused(f"{template.name}: {_problem(error)}") from error
    except _FILTER_ERRORS as error:
        raise ContentRefused(f"{template.name}: {type(error).__name__} while it was rendered") from error


def evaluated(expression: Expression, context: RenderContext, *, otherwise: object) -> object:
    """The value of an expression, or another if it has none."""
    try:
        value = expression.evaluate(context)
    except (LiquidError, *_FILTER_ERRORS):
        return otherwise
    return otherwise if is_undefined(value) else value


def expressions_within(expression: Expression) -> Iterator[Expression]:
    """An expression, and all that it is made of."""
    yield expression
    for child in expression.children():
        yield from expressions_within(child)


def _expressions_of(template: BoundTemplate) -> Iterator[Expression]:
    """All expressions of a template, also those within others."""
    context = _Context(template)

    def of(node: Node) -> Iterator[Expression]:
        for expression in node.expressions():
            yield from expressions_within(expression)
        for child in node.children(context, include_partials=False):
            yield from of(child)

    for node in template.nodes:
        yield from of(node)


def _problem(error: LiquidError) -> str:
    return str(error.args[0] if error.args else type(error).__name__).splitlines()[0]
