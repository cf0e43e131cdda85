"""Templates: check, preview and list them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, print_json
from cdp.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from cdp.content.compiled import Compiled
    from cdp.content.library import Library
    from cdp.content.model import Brand
    from cdp.content.rendering import Rendered, Values
    from cdp.delivery import Content

app = typer.Typer(name="templates")


@app.callback()
def templates() -> None:
    """Templates of messages: check, preview and list them.

    Examples: cdp templates check · cdp templates list · cdp templates preview welcome --html welcome.html
    """


@app.command("check")
def check() -> None:
    """Check all templates: Liquid, limits with the longest values, the brand's words, prices without an offer.

    All problems are listed, a line each. Exit code 3: there is one.

    Example: CDP_TEMPLATES=templates cdp templates check
    """
    from cdp.content.library import all_problems, load_library

    settings = load_settings()
    problems = all_problems(settings.templates, settings.brand)
    for found in problems.values():
        for problem in found:
            # Not wrapped: editors jump to the file and line at the beginning.
            terminal.out.print(problem.line(), markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(ConfigurationError.exit_code)
    count = len(load_library(settings.templates, settings.brand).templates)
    terminal.say("1 template is in order." if count == 1 else f"{count:,} templates are in order.")


@app.command("list")
def list_templates(as_json: AsJson = False) -> None:
    """List the templates with their purposes, channels and languages.

    Example: cdp templates list
    """
    rows = [_row(one) for one in _library().templates.values()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        offer = f", an offer for {row['offer']}" if row["offer"] else ""
        said = f"{', '.join(row['channels'])} in {', '.join(row['languages'])}{offer}"
        terminal.say(f"{row['name']}: {row['title']} ({row['purpose'] or 'any purpose'}; {said})")


@app.command("preview")
def preview(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A template, as `cdp templates list` names it.")],
    language: Annotated[str | None, typer.Option(help="The person's language; by default the template's own.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the e-mail's HTML to this file, for a browser.")] = None,
) -> None:
    """Show a template on each channel, with example values.

    Example: cdp templates preview welcome --html welcome.html
    """
    from dataclasses import replace

    from cdp.content.checking import example_values
    from cdp.content.rendering import channels_of
    from cdp.delivery import Email

    library = _library()
    compiled = library.require(name)
    if html and "email" not in channels_of(compiled):
        raise UsageError("the template has no e-mail", where="--html")
    values = example_values(compiled.template)
    values = replace(values, person={**values.person, "language": language})
    for channel in channels_of(compiled):
        for found in _seen_on(channel, compiled, values, library.brand):
            terminal.heading(f"{channel} ({found.language})")
            show_content(channel, found.content)
            if html and isinstance(found.content, Email):
                _write(html, found.content.html)
    if html:
        terminal.say(f"\nThe e-mail's HTML is in {html}.")


def _write(path: Path, html: str) -> None:
    """Write the HTML of an e-mail.

    Raises:
        UsageError: the path cannot be written.
    """

    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", where="--html") from error


def _seen_on(channel: str, compiled: Compiled, values: Values, brand: Brand) -> Iterator[Rendered]:
    """What a person gets on a channel; of a chat, what it takes while it is open and, if other, while it is closed."""
    from dataclasses import replace

    from cdp.content.rendering import ChatIsClosed, render

    opened = render(compiled, channel, replace(values, is_chat_open=True), brand)
    yield opened
    with suppress(ChatIsClosed):
        closed = render(compiled, channel, values, brand)
        if closed != opened:
            yield closed


def show_content(channel: str, content: Content) -> None:
    """What a message says, and how long it is."""
    from cdp.channels import FORMS
    from cdp.content.limits import push_bytes
    from cdp.content.texts import segments_of
    from cdp.delivery import ChatTemplate, Email, Push, Text

    match content:
        case Email():
            terminal.say(f"Subject: {content.subject}\n\n{content.text}\n")
            terminal.say(f"({len(content.html.encode()):,} bytes of HTML beside this text)")
        case Text() if FORMS[channel] == "text":
            encoding, count = segments_of(content.text)
            terminal.say(f"{content.text}\n\n({len(content.text)} characters, {encoding}, segments: {count})")
        case Text():
            terminal.say(content.text)
        case Push():
            terminal.say(f"{content.title}\n{content.body}\n{content.url or ''}\n\n({push_bytes(content):,} bytes)")
        case ChatTemplate():
            terminal.say(f"The provider's template {content.name} ({content.language}): {', '.join(content.values)}")


def _library() -> Library:
    from cdp.content.library import load_library

    settings = load_settings()
    return load_library(settings.templates, settings.brand)


def _row(compiled: Compiled) -> dict[str, Any]:
    from cdp.content.rendering import channels_of

    template = compiled.template
    return {
        "name": compiled.name,
        "title": template.title,
        "purpose": template.purpose,
        "channels": list(channels_of(compiled)),
        "languages": list(template.languages),
        "offer": template.offer.scope if template.offer else None,
        "version": compiled.version,
    }
