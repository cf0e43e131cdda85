"""Unsubscribing by a link: in one click, and on the preference page."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from cdp.consent import ConsentRules, ContactPoint, Entry, Statement, Suppression, fold
from cdp.consent.ledger import entries_of, keep_contact_points, record, suppress
from cdp.consent.links import Link, LinkNotValid, UnsubscribeLinks, load_unsubscribe_keys, one_click_headers
from cdp.errors import ConfigurationError
from tests.api.service import NOW, Service, assert_problem

EMAIL = ContactPoint("email", "ann@example.com")
PHONE = ContactPoint("phone", "+14155550100")
DEVICE = ContactPoint("device_token", "dQw4w9WgXcQ")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BROWSER = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "Firefox"}


@dataclass
class Page(HTMLParser):
    """The contents of a page: check boxes, buttons, labels, tags, and the status message."""

    html: str
    boxes: dict[str, bool] = field(default_factory=dict)
    buttons: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    message: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags.append(tag)
        if tag == "input":
            assert self._open[-1][0] == "label", "a box without a label"
            self.boxes[str(named["value"])] = "checked" in named
        if tag not in ("meta", "input"):
            self._open.append((tag, named))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "label":
            self.labels.append(data.strip())
        if tag == "button":
            self.buttons[str(attributes["value"])] = data.strip()
        if attributes.get("role") == "status":
            self.message += data.strip()


class Reader:
    """The recipient of a message with an unsubscribe link."""

    def __init__(self, service: Service, link: Link) -> None:
        self.service, self.link = service, link
        self.path = service.app.state.context.unsubscribing.url(link, NOW).removeprefix("https://cdp.example.com")

    def open(self, **headers: str) -> httpx.Response:
        return self.service.http.get(self.path, headers={**BROWSER, **headers})

    def send(self, data: dict[str, str | list[str]], **headers: str) -> httpx.Response:
        self.service.clock.advance(minutes=1)
        return self.service.http.post(self.path, data=data, headers={**BROWSER, **headers}, follow_redirects=False)

    def state(self, channel: str = "email", topic: str | None = None, point: ContactPoint = EMAIL) -> str:
        return fold(
            self.entries(),
            contact_point_id=point.id,
            channel=channel,
            purpose="marketing",
            topic=topic,
            as_of=self.service.clock(),
            rules=ConsentRules(),
        ).state

    def entries(self) -> list[Entry]:
        with self.service.store.read() as connection:
            return entries_of(connection, [EMAIL.id, PHONE.id, DEVICE.id])


def grant(service: Service, point: ContactPoint = EMAIL, channel: str = "email", topic: str | None = None) -> None:
    statement = Statement(
        contact_point_id=point.id,
        contact_point_type=point.type,
        channel=channel,
        purpose="marketing",
        state="granted",
        occurred_at=NOW - timedelta(days=1),
        source="test",
        actor="test",
        topic=topic,
        scope="topic" if topic else "channel",
    )
    with service.store.write() as connection:
        keep_contact_points(connection, [point])
        record(connection, [statement], NOW)


@pytest.fixture
def reader(service: Service) -> Reader:
    grant(service)
    return Reader(service, Link(EMAIL.id, "email", "marketing", message_ref="m1"))


@pytest.fixture
def news_reader(service: Service) -> Reader:
    grant(service)
    grant(service, topic="news")
    return Reader(service, Link(EMAIL.id, "email", "marketing", "news"))


@pytest.mark.parametrize("encoding", ["form", "multipart"])
def test_one_click_unsubscribes(reader: Reader, encoding: str) -> None:
    reader.service.clock.advance(minutes=1)
    body = {"data": ONE_CLICK} if encoding == "form" else {"files": {"List-Unsubscribe": (None, "One-Click")}}
    response = reader.service.http.post(reader.path, follow_redirects=False, **body)
    assert (response.status_code, response.text) == (200, "Unsubscribed\n")
    assert "set-cookie" not in response.headers
    assert reader.state() == "withdrawn"
    entry = reader.entries()[-1]
    assert (entry.scope, entry.source, entry.actor) == ("channel", "unsubscribe_link", "person")
    assert json.loads(entry.evidence or "") == {"message_id": "m1", "method": "one_click", "user_agent": "testclient"}


def test_repeating_one_click_changes_nothing(reader: Reader) -> None:
    assert [reader.send(dict(ONE_CLICK)).status_code for _ in range(3)] == [200, 200, 200]
    assert [entry.state for entry in reader.entries()] == ["granted", "withdrawn"]


def test_one_click_works_again_after_a_new_opt_in(reader: Reader) -> None:
    for _ in range(2):
        reader.send(dict(ONE_CLICK))
        assert reader.state() == "withdrawn"
        reader.send({"action": "save", "choice": ["email/"]})
        assert reader.state() == "granted"
    assert reader.send(dict(ONE_CLICK)).status_code == 200
    assert reader.state() == "withdrawn"


def test_one_click_on_a_topic_leaves_other_topics(news_reader: Reader) -> None:
    news_reader.send(dict(ONE_CLICK))
    assert (news_reader.state(topic="news"), news_reader.state(topic="offers")) == ("withdrawn", "granted")


def test_opening_the_page_changes_nothing(reader: Reader) -> None:
    before = reader.entries()
    for _ in range(3):
        assert reader.open().status_code == 200
    assert reader.service.http.head(reader.path).status_code == 405
    assert reader.entries() == before


def test_the_page_shows_preferences_and_forms(news_reader: Reader) -> None:
    response = news_reader.open()
    page = Page(response.text)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert page.boxes == {"email/": True, "email/news": True}
    assert page.labels == ["E-mail", "E-mail: news"]
    assert page.buttons == {
        "unsubscribe": "Unsubscribe from E-mail: news",
        "save": "Save preferences",
        "everything": "Unsubscribe from everything",
    }
    assert '<html lang="en">' in response.text
    assert 'name="viewport"' in response.text
    assert "a•••@example.com" in response.text
    assert EMAIL.value not in response.text


def test_the_page_has_no_scripts_and_no_external_resources(reader: Reader) -> None:
    response = reader.open()
    assert not {"script", "img", "link", "iframe", "object"} & set(Page(response.text).tags)
    assert "http" not in response.text.replace("<!doctype html>", "").replace("<html", "").replace("</html>", "")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers


def test_topic_names_are_escaped(service: Service) -> None:
    topic = '"><script>alert(1)</script>'
    reader = Reader(service, Link(EMAIL.id, "email", "marketing", topic))
    page = Page(reader.open().text)
    assert "script" not in page.tags
    assert f"email/{topic}" in page.boxes


@pytest.mark.parametrize(
    ("chosen", "email", "news", "offers"),
    [
        (["email/", "email/news"], "granted", "granted", "granted"),
        (["email/"], "granted", "withdrawn", "granted"),
        (["email/news"], "withdrawn", "granted", "withdrawn"),
        ([], "withdrawn", "withdrawn", "withdrawn"),
        (["email/", "email/news", "sms/", "email/other"], "granted", "granted", "granted"),
    ],
)
def test_saved_preferences_take_effect(
    news_reader: Reader, chosen: list[str], email: str, news: str, offers: str
) -> None:
    page = Page(news_reader.send({"action": "save", "choice": chosen}).text)
    assert page.message == "Your preferences have been saved."
    assert page.boxes == {key: key in chosen for key in ("email/", "email/news")}
    assert [news_reader.state(topic=topic) for topic in (None, "news", "offers")] == [email, news, offers]
    count = len(news_reader.entries())
    news_reader.send({"action": "save", "choice": chosen})
    assert len(news_reader.entries()) == count


def test_unsubscribing_can_be_undone_on_the_page(reader: Reader) -> None:
    page = Page(reader.send({"action": "unsubscribe"}).text)
    assert (page.message, page.boxes) == ("You have been unsubscribed.", {"email/": False})
    assert "unsubscribe" not in page.buttons
    reader.send({"action": "save", "choice": ["email/"]})
    assert reader.state() == "granted"
    evidence = json.loads(reader.entries()[-1].evidence or "")
    assert evidence == {"message_id": "m1", "method": "preference_page", "user_agent": "Firefox"}


def test_unsubscribing_from_everything_covers_every_channel(reader: Reader) -> None:
    """Ann shares her phone with Bob; the device is only hers."""
    grant(reader.service, PHONE, "sms")
    grant(reader.service, DEVICE, "push")
    page = Page(reader.send({"action": "everything"}).text)
    assert (page.message, page.boxes) == ("You have been unsubscribed from everything.", {"email/": False})
    states = [reader.state(), reader.state("sms", point=PHONE), reader.state("push", point=DEVICE)]
    assert states == ["withdrawn"] * 3


def test_a_link_shows_only_its_own_contact_point(reader: Reader) -> None:
    grant(reader.service, PHONE, "sms")
    assert list(Page(reader.open().text).boxes) == ["email/"]


def test_a_number_has_a_choice_for_each_channel_with_a_statement(service: Service) -> None:
    grant(service, PHONE, "sms")
    grant(service, PHONE, "whatsapp")
    with service.store.write() as connection:
        suppress(connection, [Suppression(PHONE.id, "sms", "stop", "twilio", NOW)], NOW)
    text = Reader(service, Link(PHONE.id, "sms", "marketing")).open().text
    assert Page(text).boxes == {"sms/": True, "whatsapp/": True}
    assert "Reply START" in text
    assert "•••00" in text
    assert "4155550100" not in text


def test_a_link_for_an_unknown_address_works(empty_service: Service) -> None:
    reader = Reader(empty_service, Link(EMAIL.id, "email", "marketing"))
    assert Page(reader.open().text).boxes == {"email/": False}
    assert reader.send(dict(ONE_CLICK)).status_code == 200
    assert reader.state() == "withdrawn"
    assert reader.send({"action": "everything"}).status_code == 200


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "yes"}, {"action": "delete"}, {"choice": "email/"}])
def test_an_unknown_form_changes_nothing(reader: Reader, body: dict[str, str]) -> None:
    before = reader.entries()
    assert_problem(reader.send(dict(body), Accept="*/*"), 400, "bad_request")
    assert reader.send(dict(body)).status_code == 400
    assert reader.entries() == before


def tampered(path: str) -> list[str]:
    header, claims, signature = path.removeprefix("/u/").split(".")
    padded = claims + "=" * (-len(claims) % 4)
    forged = json.loads(base64.urlsafe_b64decode(padded)) | {"sub": PHONE.id}
    other = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return [
        f"{header}.{other}.{signature}",
        f"{none}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.x",
        "x",
        "%00",
    ]


def test_a_forged_link_is_refused(reader: Reader) -> None:
    before = reader.entries()
    for token in tampered(reader.path):
        assert_problem(reader.service.http.get(f"/u/{token}"), 404, "link_not_valid")
        assert_problem(reader.service.http.post(f"/u/{token}", data=ONE_CLICK), 404, "link_not_valid")
        page = reader.service.http.get(f"/u/{token}", headers=BROWSER)
        assert page.status_code == 404
        assert Page(page.text).message == "This link is invalid or no longer active"
    assert reader.entries() == before


def test_an_access_token_is_not_a_link(service: Service) -> None:
    token = service.ask_token(service.reader).json()["access_token"]
    assert_problem(service.http.get(f"/u/{token}"), 404, "link_not_valid")


def test_a_link_has_no_personal_data_and_is_in_the_one_click_headers(reader: Reader) -> None:
    links: UnsubscribeLinks = reader.service.app.state.context.unsubscribing
    headers = one_click_headers(links.url(reader.link, NOW))
    url = headers["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url.startswith("https://cdp.example.com/u/")
    assert links.read(url.rpartition("/")[2]) == reader.link
    claims = base64.urlsafe_b64decode(url.split(".")[-2] + "==")
    assert set(json.loads(claims)) == {"sub", "ch", "pur", "msg", "iat"}
    assert EMAIL.value.encode() not in claims


def links_of(home: Path) -> UnsubscribeLinks:
    return UnsubscribeLinks(load_unsubscribe_keys(home), "https://cdp.example.com")


def test_links_survive_a_rotation_until_the_old_key_is_deleted(tmp_path: Path) -> None:
    link = Link(EMAIL.id, "email", "marketing")
    token = links_of(tmp_path).url(link, NOW).rpartition("/")[2]
    key = tmp_path / "keys" / "unsubscribe.jwk"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert links_of(tmp_path).read(token) == link
    retired = key.rename(key.with_name("retired-2026.jwk"))
    assert links_of(tmp_path).read(token) == link
    assert links_of(tmp_path).url(link, NOW).rpartition("/")[2] != token
    retired.unlink()
    with pytest.raises(LinkNotValid):
        links_of(tmp_path).read(token)


def test_a_link_of_a_newer_key_works_before_the_restart(reader: Reader) -> None:
    key = reader.service.home / "keys" / "unsubscribe.jwk"
    key.rename(key.with_name("retired-2026.jwk"))
    newer = links_of(reader.service.home).url(reader.link, NOW).rpartition("/")[2]
    assert reader.service.http.post(f"/u/{newer}", data=ONE_CLICK).status_code == 200
    assert reader.service.http.get(reader.path, headers=BROWSER).status_code == 200


def test_an_invalid_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "unsubscribe.jwk").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"unsubscribe\.jwk"):
        links_of(tmp_path)
