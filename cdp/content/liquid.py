"""Liquid, as templates use it: what is missing is an error, and no template can take long or grow large."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from liquid import BoundTemplate, Environment, FalsyStrictUndefined
from liquid.exceptions import LiquidError

from cdp.errors import InputRefused

# Tags that read other templates or leak state between renderings.
_LEFT_OUT = ("include", "render", "increment", "decrement")

# The outputs and tags in a text.
LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

_LONGEST_COMPUTED = 500_000


class _Limited(Environment):
    context_depth_limit = 10
    loop_iteration_limit = 2_000
    local_namespace_limit = 100_000
    output_stream_limit = 500_000


class ContentRefused(InputRefused):
    """The content cannot be rendered: something is missing, broken, or too long."""

    code = "content_refused"


def _bounded_replace(replace: Callable[..., Any]) -> Callable[..., Any]:
    """Liquid's filter, for texts that stay short: its own limits count what is written, not what is computed."""

    def bounded(text: object, old: object, new: object = "") -> Any:
        if str(text).count(str(old)) * len(str(new)) + len(str(text)) > _LONGEST_COMPUTED:
            raise LiquidError("the text becomes too long", token=None)
        return replace(text, old, new)

    return bounded


def _environment(*, escapes: bool) -> Environment:
    environment = _Limited(autoescape=escapes, undefined=FalsyStrictUndefined)
    for tag in _LEFT_OUT:
        environment.tags.pop(tag, None)
    environment.add_filter("replace", _bounded_replace(environment.filters["replace"]))
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
        return (_HTML if is_html else _TEXT).from_string(source, name=place)
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
    # Filters raise what Python raises where their input is not what they expect.
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise ContentRefused(f"{template.name}: {type(error).__name__} while it was rendered") from error


def _problem(error: LiquidError) -> str:
    return str(error.args[0] if error.args else type(error).__name__).splitlines()[0]
