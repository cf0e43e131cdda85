"""The sources and settings of this installation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from cdp.cli import terminal
from cdp.cli.common import load_settings
from cdp.settings import Settings, WebhookSecrets, origin_of, variable_of

if TYPE_CHECKING:
    from cdp.webhooks import Webhook

app = typer.Typer()


@app.command()
def sources() -> None:
    """List the known sources, the file names they recognise, and their webhooks.

    Example: cdp sources
    """
    from cdp.providers import load_sources

    known, webhooks = load_sources().values(), load_settings().webhooks
    rows = [[source.name, source.title, ", ".join(source.files)] for source in known]
    terminal.out.print(terminal.table(["source", "description", "file names"], rows))
    terminal.say(
        "\nA file with another name is recognised by the keys of its records. Any other CSV, Parquet or JSONL file "
        "needs a <name>.mapping.yaml next to it that maps its columns to fields (see data/sample/*.mapping.yaml), or "
        "standard headers.\n"
    )
    hooks = [row for source in known if source.webhook for row in _webhook_rows(source.name, source.webhook, webhooks)]
    terminal.out.print(terminal.table(["webhook", "secret", "status"], hooks))
    terminal.say(
        "\nWhile a secret is replaced, its old value may be kept under the same name with _PREVIOUS at the end: what "
        "is signed with either is accepted.\n"
    )


def _webhook_rows(name: str, webhook: Webhook, webhooks: WebhookSecrets) -> Iterator[tuple[str, str, str]]:
    """One row per secret: the webhook's path, the variable, and whether it is set. Unset, all requests are refused."""
    from cdp.providers.secrets import configured_secrets

    found = configured_secrets(webhooks, webhook.provider)
    for secret in webhook.all_secrets():
        yield f"/webhooks/{name}", webhook.variable(secret), "set" if secret.name in found else "not set"


@app.command()
def config() -> None:
    """Show the settings in force and the origin of each value.

    Example: cdp config
    """
    settings = load_settings()
    names = [name for name in type(settings).model_fields if name not in ("webhooks", "providers")]
    rows = [[variable_of(name), _shown(name, settings), origin_of(name)] for name in names]
    terminal.out.print(terminal.table(["setting", "value", "from"], rows))
    terminal.say("")
    secrets = [[variable_of(name), value, origin_of(name)] for name, value in _webhook_secrets(settings)]
    terminal.out.print(terminal.table(["webhook secret", "value", "from"], secrets))


def _webhook_secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each webhook secret by its dotted name, and that which is also accepted while it is rotated; never a value."""
    from cdp.providers import load_sources
    from cdp.providers.secrets import PREVIOUS, configured_secrets, declared_secrets

    for provider, secrets in declared_secrets(load_sources().values()).items():
        found = configured_secrets(settings.webhooks, provider)
        for secret in secrets:
            for name in (secret.name, f"{secret.name}{PREVIOUS}"):
                yield f"webhooks.{provider}.{name}", "***" if name in found else "not set"


def _shown(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if name == "store_url":
        return _without_password(settings.effective_store_url)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _without_password(url: str) -> str:
    """The URL with the user, password and options masked, because each of them may hold a secret."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***@' if place[1] else ''}{place[2]}{parts.path}{'?***' if parts.query else ''}"
