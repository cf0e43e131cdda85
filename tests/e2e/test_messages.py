"""Templates and messages on the command line, and a message from a real server to a provider and back."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.delivery.fakes import Providers
from tests.delivery.fakes import serving as providers_serving
from tests.delivery.fakes.sendgrid import KEY
from tests.e2e.command import Command, cdp, serving, token
from tests.e2e.conftest import SampleRun
from tests.webhook_senders import SECRETS


def test_templates_are_checked_listed_and_shown(command: Command, tmp_path: Path) -> None:
    assert command("templates", "check").stdout == "4 templates are in order.\n"
    names = [one["name"] for one in json.loads(command("templates", "list", "--json").stdout)]
    assert names == ["cart_reminder", "order_shipped", "spring_sale", "welcome"]
    page = tmp_path / "welcome.html"
    shown = command("templates", "preview", "welcome", "--language", "de", "--html", str(page))
    assert "Subject: Willkommen, Sam" in shown.stdout and "GSM-7" in shown.stdout
    assert "<!doctype html>" in page.read_text()
    chats = command("templates", "preview", "welcome").stdout
    assert chats.count("whatsapp (en)") == 2 and "The provider's template welcome" in chats
    assert chats.count("telegram (en)") == chats.count("messenger (en)") == 1
    assert command("templates", "preview", "no_such").error.startswith("unknown template. Templates are: ")


def test_a_file_that_cannot_be_written_is_one_clear_line(command: Command, tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none" / "x.html", "No such file or directory"), (tmp_path, "Is a directory")):
        answer = command("templates", "preview", "welcome", "--html", str(path))
        assert answer.exit_code == 2
        assert answer.error == f"--html: cannot write {path}: {why}"


def test_a_template_without_an_e_mail_has_no_html(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "one.yaml").write_text("title: One\nlanguages: {en: {sms: Hello}}\n")
    assert cdp(home, "templates", "check", CDP_TEMPLATES=str(folder)).stdout == "1 template is in order.\n"
    shown = cdp(home, "templates", "preview", "one", "--html", str(tmp_path / "x.html"), CDP_TEMPLATES=str(folder))
    assert (shown.exit_code, shown.error) == (2, "--html: the template has no e-mail")


@pytest.mark.parametrize("group", ["send", "templates", "messages"])
def test_groups_of_commands_show_examples(command: Command, group: str) -> None:
    assert f"Examples: cdp {group}" in command(group, "--help").stdout


def test_all_problems_of_templates_are_listed(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "one.yaml").write_text("title: One\nlanguages: {en: {sms: '{{ person.first_name }}'}}\n")
    (folder / "two.yaml").write_text("title: Two\nlanguages: {en: {sms: 'Only 9.90 CHF'}}\n")
    answer = cdp(home, "templates", "check", CDP_TEMPLATES=str(folder))
    assert answer.exit_code == 3
    lines = answer.stdout.splitlines()
    assert "person.first_name is undefined" in answer.stdout and "declares no offer" in answer.stdout
    assert sum(".yaml:2: " in line for line in lines) == 2


@pytest.fixture
def sample_copy(sample_run: SampleRun, tmp_path: Path) -> Path:
    home = tmp_path / "copy" / "var"
    shutil.copytree(sample_run.home, home)
    return home


def somebody(home: Path) -> dict[str, Any]:
    """A profile of the sample with an e-mail address."""
    query = "select profile_id, email from profiles.profiles where email is not null order by profile_id limit 1"
    found: list[dict[str, Any]] = json.loads(cdp(home, "sql", query, "--format", "json").stdout)
    return found[0]


def test_a_message_to_one_person_of_the_sample_goes_through_the_sandbox(sample_copy: Path) -> None:
    profile_id = somebody(sample_copy)["profile_id"]
    sent = cdp(sample_copy, "messages", "send", profile_id, "--template", "welcome", "--purpose", "transactional")
    assert sent.exit_code == 0, sent.stderr
    # The block of products: three of the sample, none that the person has bought.
    products = re.findall(r"^- .+ \((https://shop\.example/p/[a-z-]+)\)$", sent.stdout, re.MULTILINE)
    of_person = f"bought_at is not null and profile_id = '{profile_id}'"
    query = f"select url from products.interests join products.catalogue using (product_id) where {of_person}"
    had = {row["url"] for row in json.loads(cdp(sample_copy, "sql", query, "--format", "json").stdout)}
    assert len(set(products)) == 3 and not had & set(products)
    assert "the channel chosen" in sent.stdout and "reported delivered, then delivered" in sent.stdout
    [message] = json.loads(cdp(sample_copy, "messages", "--json").stdout)["messages"]
    assert message["state"] == "delivered"
    none = json.loads(cdp(sample_copy, "messages", "--campaign", "nope", "--json").stdout)
    assert none == {"counts": [], "messages": []}
    some = json.loads(cdp(sample_copy, "messages", "--state", "delivered", "--json").stdout)
    assert some["counts"] == [[message["channel"], "delivered", 1]]
    shown = cdp(sample_copy, "messages", "show", message["message_id"])
    assert "attempt 1 by sandbox: accepted" in shown.stdout
    assert list((sample_copy / "outbox").glob(f"{message['message_id']}.json"))


RECEIPTS = "CDP_WEBHOOKS__SENDGRID__PUBLIC_KEY"
PUBLIC_KEY = SECRETS["sendgrid"]["public_key"].get_secret_value()


def test_a_server_sends_by_a_provider(sample_copy: Path) -> None:
    person = somebody(sample_copy)
    scopes = ("--scope", "messages:send", "--scope", "messages:read")
    client = json.loads(cdp(sample_copy, "clients", "add", "shop", *scopes, "--json").stdout)
    with providers_serving(Providers()) as providers:
        settings = {
            "CDP_PROVIDERS__SENDGRID__API_KEY": KEY,
            "CDP_PROVIDERS__SENDGRID__FROM_ADDRESS": "news@example.com",
            "CDP_PROVIDERS__SENDGRID__BASE_URL": providers.url_of("sendgrid"),
        }
        with serving(sample_copy, **settings) as url:
            headers = {"Authorization": f"Bearer {token(url, client)}", "Idempotency-Key": "welcome-1"}
            body = {"to": {"profile_id": person["profile_id"]}, "template": "welcome", "purpose": "transactional"}
            posts = [httpx.post(f"{url}/v1/messages", json=body, headers=headers, timeout=30) for _ in range(3)]
            [message_id] = {post.json()["message_id"] for post in posts}
            deadline = time.monotonic() + 30
            while (found := _read(url, message_id, headers))["state"] != "accepted":
                assert time.monotonic() < deadline, found
                time.sleep(0.1)
            text = {**body, "channels": ["sms"], "template": "spring_sale"}
            again = {**headers, "Idempotency-Key": "2"}
            refused = httpx.post(f"{url}/v1/messages", json=text, headers=again, timeout=30)
            assert (refused.status_code, refused.json()["code"]) == (422, "no_provider")
        [taken] = providers.taken
        assert (taken.message_id, taken.address) == (message_id, person["email"])
        checked = cdp(sample_copy, "send", "check", "--provider", "sendgrid", "--to", "you@example.com", **settings)
        assert checked.exit_code == 0 and "accepted by the provider" in checked.stdout
        for told in (checked, cdp(sample_copy, "send", "list", **settings)):
            assert f"is not heard until {RECEIPTS} is set." in " ".join(told.stdout.split())
        logs = ((sample_copy / "serve.log").read_text(), cdp(sample_copy, "work", "--once", **settings).stderr)
        for log in logs:
            [warning] = [json.loads(line) for line in log.splitlines() if "no receipts" in line]
            assert (warning["level"], warning["provider"], warning["not_set"]) == ("warning", "sendgrid", RECEIPTS)
        heard = cdp(sample_copy, "send", "list", **settings, **{RECEIPTS: PUBLIC_KEY})
        assert heard.exit_code == 0 and "No receipts" not in heard.stdout
        wrong = cdp(sample_copy, "send", "list", **{**settings, "CDP_PROVIDERS__SENDGRID__API_KEI": "x"})
        assert wrong.exit_code == 3 and "unknown setting" in wrong.error


def _read(url: str, message_id: str, headers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/v1/messages/{message_id}", headers=headers, timeout=30).json()
    return found
