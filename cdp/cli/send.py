"""Providers that messages are sent by: what they need, and a real test message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cdp.cli import terminal
from cdp.cli.common import load_settings, opened_store
from cdp.errors import CdpError, UsageError
from cdp.settings import variable_of

if TYPE_CHECKING:
    from cdp.delivery import Content, Outcome, Setting

app = typer.Typer(name="send")


@app.callback()
def send() -> None:
    """Providers that messages are sent by: what they need, and a test message.

    Examples: cdp send list · cdp send check --provider sendgrid --to you@example.com
    """


@app.command("list")
def list_providers() -> None:
    """List the providers that can send, with what each needs, and which are in use.

    While none is configured, the sandbox takes all messages: it writes them to `outbox/` in the home.

    Example: cdp send list
    """
    from cdp.providers import load_providers
    from cdp.sending.opening import load_routes, without_receipts

    settings = load_settings()
    with opened_store(settings) as store:
        used = {one.provider for one in load_routes(settings, store, _now)}
    unheard = without_receipts(settings)
    for name, provider in load_providers().items():
        if provider.sender:
            state = "in use" if name in used else "not configured"
            terminal.heading(f"{name}: {', '.join(provider.sender.channels)} ({state})")
            told = settings.providers.get(name, {})
            for setting in provider.sender.settings:
                terminal.say(_told(name, setting, is_set=bool(told.get(setting.name))))
            if name in unheard:
                terminal.say(f"  {_no_receipts(unheard[name])}")
    terminal.say(f"\nIn use: {', '.join(sorted(used))}.")


@app.command("check")
def check(
    provider: Annotated[str, typer.Option(help="A provider in use, as `cdp send list` names it.")],
    to: Annotated[str, typer.Option(help="Your own address: an e-mail address, a phone number, a device token.")],
) -> None:
    """Send a real test message by a provider, with the keys that are configured. Exit code 1: it was not accepted.

    It goes to the address given and no other, whatever the policy says.

    Example: cdp send check --provider sendgrid --to you@example.com
    """
    from cdp.channels import FORMS
    from cdp.content.library import load_brand
    from cdp.delivery import Accepted, Dispatch
    from cdp.ids import sortable_id
    from cdp.sending.opening import load_routes, without_receipts

    settings = load_settings()
    now = _now()
    with opened_store(settings) as store:
        route = next((one for one in load_routes(settings, store, _now) if one.provider == provider), None)
        if route is None:
            raise UsageError(f"{provider!r} is not in use", where="--provider", hint="See `cdp send list`")
        if not route.sender.suits(to):
            raise UsageError("this is not an address of the provider's", where="--to")
        channel = route.sender.channels[0]
        dispatch = Dispatch(
            message_id=sortable_id("msg", now),
            channel=channel,
            address=to,
            content=_content(FORMS[channel]),
            sender=load_brand(settings.brand).name,
            callback_url=f"{settings.public_url.rstrip('/')}/webhooks/{provider}",
            expires_at=now + timedelta(hours=1),
        )
        with route.sender.opened(route.settings) as transport:
            outcome = transport.send(dispatch)
    terminal.say(f"{dispatch.message_id}: {_words(outcome)}")
    if unset := without_receipts(settings).get(provider):
        terminal.say(_no_receipts(unset))
    if not isinstance(outcome, Accepted):
        raise typer.Exit(CdpError.exit_code)


def _content(form: str) -> Content:
    from cdp.delivery import Email, Push, Text

    words = "This is a test message: sending works."
    if form == "mail":
        return Email("Test message", words, f"<p>{words}</p>")
    return Push("Test message", words) if form == "notification" else Text(words)


def _words(outcome: Outcome) -> str:
    from cdp.delivery import Accepted, InDoubt, Refused

    match outcome:
        case Accepted():
            return f"accepted by the provider as {outcome.provider_id or 'a message without an id'}"
        case Refused():
            return f"refused by the provider ({outcome.error})"
        case InDoubt():
            return f"perhaps accepted: the answer was lost ({outcome.error})"
    return f"not accepted, and worth another try ({outcome.error})"


def _no_receipts(unset: str) -> str:
    return f"No receipts: what becomes of its messages is not heard until {unset} is set."


def _told(name: str, setting: Setting, *, is_set: bool) -> str:
    default = f"by default {setting.default}" if setting.default else "optional"
    value = "set" if is_set else "not set" if setting.default is None else default
    return f"  {variable_of(f'providers.{name}.{setting.name}')}: {setting.meaning} ({value})"


def _now() -> datetime:
    return datetime.now(UTC)
