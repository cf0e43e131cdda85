"""Messages: what became of them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json

if TYPE_CHECKING:
    from cdp.cli.sending import Sending
    from cdp.decision import Decision
    from cdp.sending.accepting import Asking
    from cdp.sending.messages import Message
    from cdp.sending.overview import Tracked

app = typer.Typer(name="messages", invoke_without_command=True)


@app.callback()
def messages(
    context: typer.Context,
    campaign: Annotated[str | None, typer.Option(help="Only those of this campaign.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state, such as queued or unknown.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest messages, and count them by channel and state. No addresses are shown.

    Examples: cdp messages · cdp messages --state unknown · cdp messages show msg_…
    """
    if context.invoked_subcommand:
        return
    from cdp.errors import UsageError
    from cdp.sending.overview import Filter, counts, list_messages
    from cdp.sending.states import STATES

    if state is not None and state not in STATES:
        raise UsageError(f"no state is named {state!r}", where="--state", hint=f"one of: {', '.join(STATES)}")
    with opened_store(load_settings()) as store, store.read() as connection:
        wanted = Filter(campaign=campaign, state=state)
        found, counted = list_messages(connection, wanted, limit), counts(connection, wanted)
    if as_json:
        print_json({"counts": [list(one) for one in counted], "messages": [_document(one) for one in found]})
        return
    if not found:
        terminal.say("There are no such messages.")
        return
    columns = ["message", "state", "channel", "created", "reason"]
    terminal.out.print(terminal.table(columns, [_row(one) for one in found]))
    terminal.say("")
    terminal.out.print(terminal.table(["channel", "state", "messages"], [[one[0] or "", *one[1:]] for one in counted]))


@app.command("send")
def send_message(
    profile_id: Annotated[str, typer.Argument(metavar="PROFILE", help="A profile_id, prf_…")],
    template: Annotated[str, typer.Option(help="A template, as `cdp templates list` names it.")] = "welcome",
    purpose: Annotated[str | None, typer.Option(help="A purpose of the policy; by default the template's.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="How long to wait for the receipt.")] = 10,
) -> None:
    """Send a template to one person and show what became of it. Exit code 1: a gate refused it.

    It goes the way of all messages: decision, offer, provider, receipt. While no provider is configured, the sandbox
    writes it to `outbox/` in the home. A template that needs data is sent by the API.

    Example: cdp messages send prf_01KX0000000000000000000000 --template welcome
    """
    from cdp.cli.sending import now, opened_sending
    from cdp.errors import CdpError, UsageError
    from cdp.sending.accepting import Wanted, accept, asking
    from cdp.sending.overview import tracked

    settings = load_settings()
    with opened_sending(settings) as sending:
        tools = sending.tools
        content = tools.library.require(template)
        purpose = purpose or content.template.purpose
        if purpose is None:
            raise UsageError("the template has no purpose of its own", where="--purpose")
        wanted = Wanted("cli", content, purpose, profile_id, topic=content.template.topic)
        question = asking(wanted, tools.library, tools.policy, tools.post.channels, now())
        with sending.store.write() as connection:
            [(message, decision)] = accept(connection, [question], tools.policy, now())
        if not decision.allowed:
            for reason in decision.reasons:
                if reason.verdict == "fail":
                    terminal.say(f"refused by {reason.gate} on {reason.channel or 'all channels'}: {reason.code}")
            raise typer.Exit(CdpError.exit_code)
        _show_on_each_channel(sending, question, decision)
        _wait(sending, message.message_id, seconds)
        terminal.heading(message.message_id)
        with sending.store.read() as connection:
            _show(tracked(connection, message.message_id))
    outbox = settings.home / "outbox"
    for path in sorted(outbox.glob(f"{message.message_id}.*")):
        terminal.say(f"written to {path}")


def _show_on_each_channel(sending: Sending, question: Asking, decision: Decision) -> None:
    """How the person would see the message on each channel; it goes out on one of them."""
    from cdp.cli.sending import now
    from cdp.cli.templates import show_content
    from cdp.sending.previewing import previews

    with sending.store.read() as connection:
        found = previews(connection, question, decision, sending.tools, now(), shows_person=True)
    for one in found:
        terminal.heading(f"{one.channel}, the channel chosen" if one.channel == decision.channel else one.channel)
        if one.rendered:
            show_content(one.channel, one.rendered.content)
        else:
            terminal.say(str(one.problem))


def _wait(sending: Sending, message_id: str, seconds: float) -> None:
    """Do the work that is due, until the message has come to its end or the time is up."""
    from cdp.sending.messages import messages_of
    from cdp.sending.states import FINAL

    until = time.monotonic() + seconds
    while True:
        sending.runner.drain()
        with sending.store.read() as connection:
            state = messages_of(connection, [message_id])[message_id].state
        if state in FINAL or time.monotonic() > until:
            return
        time.sleep(0.2)


@app.command("show")
def show(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="A message_id, msg_…")], as_json: AsJson = False
) -> None:
    """Show what became of a message: each call of a provider, each report, and its fallback.

    Example: cdp messages show msg_01KX0000000000000000000000
    """
    from cdp.sending.overview import tracked

    with opened_store(load_settings()) as store, store.read() as connection:
        found = tracked(connection, message_id)
    if as_json:
        history = {
            "attempts": [_plain(asdict(one)) for one in found.attempts],
            "reports": [_plain(asdict(one)) for one in found.reports],
            "fallback": found.fallback_id,
        }
        print_json({**_document(found.message), **history})
    else:
        _show(found)


def _show(found: Tracked) -> None:
    message = found.message
    reason = f" ({message.reason})" if message.reason else ""
    what = message.template or "one-off content"
    terminal.say(f"{message.state}{reason} · {message.channel or 'no channel'} · {what}")
    if message.state == "queued" and message.send_at:
        terminal.say(f"waits until {_second(message.send_at)} (UTC)")
    for attempt in found.attempts:
        error = f", {attempt.error}" if attempt.error else ""
        outcome = f"{attempt.outcome or 'in progress'}{error}"
        terminal.say(f"{_second(attempt.started_at)}  attempt {attempt.number} by {attempt.provider}: {outcome}")
    for report in found.reports:
        terminal.say(f"{_second(report.occurred_at)}  reported {report.event_type}, then {report.state}")
    if found.fallback_id:
        terminal.say(f"followed by {found.fallback_id} on the next channel")


def _second(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _row(message: Message) -> list[Any]:
    created = terminal.minute(message.created_at)
    return [message.message_id, message.state, message.channel or "", created, message.reason or ""]


def _document(message: Message) -> dict[str, Any]:
    found = _plain(asdict(message))
    return {**found, "fallbacks": json.loads(message.fallbacks) if message.fallbacks else []}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
