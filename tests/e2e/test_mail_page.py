"""The shipped e-mails in a real browser, as wide as a phone and as a desktop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.content.checking import example_values, longest_values
from cdp.content.library import load_library
from cdp.content.rendering import Values, render
from cdp.delivery import Email
from cdp.settings import DATA
from tests.e2e.browser import FOUND, Page, browser

LIBRARY = load_library(DATA / "templates", DATA / "brand.yaml")
PHONE, DESKTOP = 375, 1280


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if FOUND is None:
        pytest.skip("no Chromium is on this machine")
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def show(page: Page, folder: Path, name: str, values: Values, width: int) -> None:
    compiled = LIBRARY.require(name)
    content = render(compiled, "email", values, LIBRARY.brand).content
    assert isinstance(content, Email)
    path = folder / "mail.html"
    path.write_text(content.html, encoding="utf-8")
    page.resize(width)
    page.open(path.as_uri())


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", list(LIBRARY.templates))
def test_a_mail_fits_and_its_button_can_be_touched(page: Page, tmp_path: Path, name: str, width: int) -> None:
    show(page, tmp_path, name, example_values(LIBRARY.require(name).template), width)
    assert page.width() <= width
    button_width, button_height = page.box("a[style*='inline-block']")
    assert button_width >= 44 and button_height >= 44
    # The column is as wide as mail programs show it.
    assert page.box("body > div:last-of-type")[0] <= width


def test_the_brands_colours_and_words_are_there(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, "welcome", example_values(LIBRARY.require("welcome").template), DESKTOP)
    html = page.html("body")
    assert LIBRARY.brand.colours.accent in html and LIBRARY.brand.legal[0] in html
    assert page.style("a[style*='inline-block']")["color"] == "rgb(255, 255, 255)"
    assert "unsubscribe" in html.lower()


def test_the_longest_names_do_not_break_the_page(page: Page, tmp_path: Path) -> None:
    values = longest_values(LIBRARY.require("welcome").template)
    values = replace(values, person={**values.person, "language": "en"})
    show(page, tmp_path, "welcome", values, PHONE)
    assert page.width() <= PHONE * 2


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["welcome", "spring_sale"])
def test_the_lines_of_a_headline_do_not_overlap(page: Page, tmp_path: Path, name: str, width: int) -> None:
    values = example_values(LIBRARY.require(name).template)
    person = {**values.person, "first_name": "Maximiliane-Alexandra Theodora", "language": "en"}
    show(page, tmp_path, name, replace(values, person=person), width)
    style = page.style("h1")
    line = float(style["line-height"].removesuffix("px"))
    assert line > float(style["font-size"].removesuffix("px"))
    assert page.box("h1")[1] >= 2 * line
