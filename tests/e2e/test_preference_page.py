"""The page of preferences as a person meets it: in a browser, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdp.consent import ContactPoint, Statement
from cdp.consent.ledger import entries_of, keep_contact_points, record
from cdp.consent.links import Link, UnsubscribeLinks, load_unsubscribe_keys
from cdp.store import open_store
from tests.e2e.browser import FOUND, Page, browser
from tests.e2e.command import serving

NOW = datetime.now(UTC)
EMAIL = ContactPoint("email", "ann@example.com")

pytestmark = pytest.mark.skipif(FOUND is None, reason="there is no Chromium on this machine")


@pytest.fixture
def page(home: Path, tmp_path: Path) -> Iterator[Page]:
    """The page behind the link of a message to somebody who gets e-mail."""
    granted = Statement(EMAIL.id, "email", "email", "marketing", "granted", NOW - timedelta(days=1), "test", "person")
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.write() as connection:
        keep_contact_points(connection, [EMAIL])
        record(connection, [granted], NOW)
    store.close()
    folder = tmp_path / "browser"
    folder.mkdir()
    with serving(home) as url, browser(folder) as opened:
        links = UnsubscribeLinks(load_unsubscribe_keys(home), url)
        opened.open(links.url(Link(EMAIL.id, "email", "marketing"), NOW))
        yield opened


def said(home: Path) -> list[tuple[str, str]]:
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.read() as connection:
        found = [(entry.state, entry.scope) for entry in entries_of(connection, [EMAIL.id])]
    store.close()
    return found


def test_one_click_unsubscribes(page: Page, home: Path) -> None:
    assert "checked" in page.html()
    assert EMAIL.value not in page.html()
    page.submit("button[value=unsubscribe]")
    assert said(home) == [("granted", "channel"), ("withdrawn", "channel")]
    assert "checked" not in page.html()
    assert page.html("[role=status]")


def test_choices_are_saved_and_unsubscribing_from_all_covers_all(page: Page, home: Path) -> None:
    page.press("input[type=checkbox]")
    page.submit("button[value=save]")
    assert "checked" not in page.html()
    page.press("input[type=checkbox]")
    page.submit("button[value=save]")
    assert "checked" in page.html()
    page.submit("button[value=everything]")
    assert "checked" not in page.html()
    assert said(home)[1:] == [("withdrawn", "channel"), ("granted", "channel"), ("withdrawn", "all")]


def test_the_content_security_policy_allows_the_pages_own_style(page: Page) -> None:
    assert page.style("label")["display"] == "flex"
