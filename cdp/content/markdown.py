"""Markdown with Liquid in it, as HTML and as plain text.

Liquid is taken out before Markdown is read and put back after it, so that neither mangles the other; values come in
later still, so that nobody's name is read as Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from secrets import token_hex

from markdown_it import MarkdownIt
from markdown_it.token import Token

from cdp.content.liquid import LIQUID

# Letters and digits, which Markdown and URLs leave alone, and which no text has by chance or by intent.
_NAME = f"x{token_hex(8)}x"
_MARK = re.compile(rf"{_NAME}(\d+)x")
# A paragraph that holds tags alone, such as `{{% if … %}}` on a line of its own.
_TAGS_ALONE = re.compile(rf"<p>((?:\s*{_NAME}\d+x\s*)+)</p>")

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True})


def to_html(source: str) -> str:
    """HTML, with the Liquid of the source; HTML in the source is shown as text."""
    plain, pieces = _without_liquid(source)
    html: str = _MARKDOWN.renderer.render(_styled(_MARKDOWN.parse(plain)), _MARKDOWN.options, {})
    only_tags = _TAGS_ALONE.sub(lambda found: found[1] if _are_tags(found[1], pieces) else found[0], html)
    return _with_liquid(only_tags, pieces)


def _styled(tokens: Sequence[Token]) -> Sequence[Token]:
    """Headings whose lines stand closer than those of text; inline, because mail clients leave style sheets out."""
    for token in tokens:
        if token.type == "heading_open":
            token.attrSet("style", "line-height:1.25")
    return tokens


def to_text(source: str) -> str:
    """Plain text, with the Liquid of the source: links are written out, lists have dashes."""
    plain, pieces = _without_liquid(source)
    return _with_liquid("".join(_blocks(_MARKDOWN.parse(plain))).strip("\n"), pieces)


def escaped(source: str) -> str:
    """Text with Liquid as HTML: what is between the tags is escaped."""
    plain, pieces = _without_liquid(source)
    html = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _with_liquid(html, pieces)


def around_liquid(work: Callable[[str], str], source: str) -> str:
    """What `work` makes of a source, whose Liquid it does not see."""
    plain, pieces = _without_liquid(source)
    return _with_liquid(work(plain), pieces)


def _without_liquid(source: str) -> tuple[str, list[str]]:
    pieces: list[str] = []

    def taken(found: re.Match[str]) -> str:
        pieces.append(found[0])
        return f"{_NAME}{len(pieces) - 1}x"

    return LIQUID.sub(taken, source), pieces


def _with_liquid(text: str, pieces: list[str]) -> str:
    return _MARK.sub(lambda found: pieces[int(found[1])], text)


def _are_tags(marks: str, pieces: list[str]) -> bool:
    return all(pieces[int(number)].startswith("{%") for number in _MARK.findall(marks))


def _blocks(tokens: Iterable[Token]) -> Iterator[str]:
    """The blocks, each after an empty line, but the items of a list line by line."""
    mark, depth, is_first = "", 0, True
    for token in tokens:
        depth += token.nesting if token.type in ("bullet_list_open", "ordered_list_open") else 0
        if token.type in ("bullet_list_close", "ordered_list_close"):
            depth, is_first = depth + token.nesting, True
        elif token.type == "list_item_open":
            mark = "  " * (depth - 1) + (f"{token.info}. " if token.info else "- ")
        elif token.type in ("fence", "code_block"):
            yield f"\n\n{token.content.rstrip()}"
        elif token.type == "hr":
            yield "\n\n---"
        elif token.type == "inline":
            gap = "\n" if mark and not is_first else "\n\n"
            yield gap + mark + "".join(_inline(token.children or []))
            is_first, mark = not mark, ""


def _inline(tokens: Iterable[Token]) -> Iterator[str]:
    target = ""
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type == "link_open":
            target = str(token.attrGet("href") or "")
        elif token.type == "link_close":
            yield f" ({target})"
        else:
            yield token.content
