from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdp.content.checking import example_values
from cdp.content.compiled import compile_document
from cdp.content.library import Library, all_problems, load_library
from cdp.content.liquid import ContentRefused
from cdp.content.model import Need
from cdp.content.needs import longest_of, misfit
from cdp.content.rendering import ChatIsClosed, Inline, Values, products_in, render
from cdp.delivery import ChatTemplate, Email, Push, Text
from cdp.errors import ConfigurationError, InputRefused
from cdp.settings import DATA

BRAND = DATA / "brand.yaml"
SHIPPED = DATA / "templates"

MAIL = """
title: Trial
languages:
  en:
    email:
      subject: {subject}
      blocks: [{{text: "{text}"}}]
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(SHIPPED, BRAND)


def problem(tmp_path: Path, content: str, name: str = "trial") -> str:
    """The one problem of a template with this content."""
    (tmp_path / f"{name}.yaml").write_text(content)
    [[found]] = all_problems(tmp_path, BRAND).values()
    with pytest.raises(ConfigurationError) as error:
        load_library(tmp_path, BRAND)
    assert error.value.line() == found.line()
    return found.line().removeprefix(f"{tmp_path}/")


def test_what_is_shipped_is_in_order() -> None:
    assert all_problems(SHIPPED, BRAND) == {}


def test_one_content_as_each_channel_shows_it(library: Library) -> None:
    welcome = library.require("welcome")
    values = replace(example_values(welcome.template), headers={"List-Unsubscribe": "<https://x>"})
    mail = render(welcome, "email", values, library.brand).content
    assert isinstance(mail, Email)
    assert mail.subject == "Welcome, Sam"
    assert mail.headers == {"List-Unsubscribe": "<https://x>"}
    assert "Hello Sam\n\nWe are glad" in mail.text and "- tell us what you like (https://shop" in mail.text
    assert mail.text.endswith("Unsubscribe or change what you get: https://cdp.example.com/u/example")
    assert ">Hello Sam</h1>" in mail.html and 'href="https://cdp.example.com/u/example"' in mail.html
    assert "{{" not in mail.html and "{%" not in mail.html
    sms = render(welcome, "sms", values, library.brand).content
    assert sms == Text(
        "Alpine Outfitters: welcome, Sam! See what is new: https://shop.example.com/new Reply STOP to opt out"
    )
    assert isinstance(render(welcome, "push", values, library.brand).content, Push)
    chat = render(welcome, "whatsapp", values, library.brand).content
    assert chat == ChatTemplate("welcome", "en", ("Sam",))
    opened = render(welcome, "whatsapp", replace(values, is_chat_open=True), library.brand).content
    assert opened == Text("Welcome, Sam! See what is new: https://shop.example.com/new")
    assert render(welcome, "telegram", values, library.brand).content == opened
    assert render(welcome, "messenger", replace(values, is_chat_open=True), library.brand).content == opened


LANGUAGES = (
    # the person's language, the template's that is used
    (None, "en"),
    ("de", "de"),
    ("de-CH", "de"),
    ("de_AT", "de"),
    ("DE", "de"),
    ("fr-CH", "en"),
    ("nonsense", "en"),
)


@pytest.mark.parametrize(("language", "used"), LANGUAGES)
def test_the_persons_language(library: Library, language: str | None, used: str) -> None:
    values = Values(person={"language": language})
    assert render(library.require("welcome"), "sms", values, library.brand).language == used


def test_a_channel_that_a_language_lacks_is_in_the_default_language(library: Library) -> None:
    found = render(library.require("welcome"), "whatsapp", Values(person={"language": "de"}), library.brand)
    assert found.language == "en"


def test_values_are_escaped_where_they_are_shown_as_html(library: Library) -> None:
    person = {"first_name": "<script>alert(1)</script>&**bold** {{ brand.name }}"}
    mail = render(library.require("welcome"), "email", Values(person=person), library.brand).content
    assert isinstance(mail, Email)
    assert "<script>" not in mail.html and "<strong>" not in mail.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;**bold** {{ brand.name }}" in mail.html
    assert mail.subject == f"Welcome, {person['first_name']}"


def test_a_line_break_in_a_value_cannot_add_a_header(library: Library) -> None:
    person = {"first_name": "Ann\r\nBcc: eve@example.com"}
    mail = render(library.require("welcome"), "email", Values(person=person), library.brand).content
    assert isinstance(mail, Email) and mail.subject == "Welcome, Ann Bcc: eve@example.com"


# What a value holds, and what a title shows of it.
TITLES = {
    "an override": ("Ann\u202etxt.exe", "Anntxt.exe"),
    "embeddings": ("\u202aAnn\u202b \u202dLee\u202c", "Ann Lee"),
    "isolates": ("\u2066Ann\u2069\u2067\u2068 Lee", "Ann Lee"),
    "spaces without width": ("A\u200bn\u2060n\ufeff", "Ann"),
    "a soft hyphen, tags, fillers": ("A\u00adnn\U000e0041\U000e007f\u3164", "Ann"),
    "controls": ("An\x01n\x1b[31m\x7f\x9b", "Ann[31m"),
    "lines": ("Ann\r\nBcc:\u2028x\u2029y\x85z\tq", "Ann Bcc: x y z q"),
    "spaces beside what is taken out": ("Ann \u200b Lee", "Ann Lee"),
    "a family": (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f",
    ),
    "Persian": ("می\u200cخواهم", "می\u200cخواهم"),
    "Hebrew with a mark": ("\u05d0\u05e0!\u200f", "\u05d0\u05e0!\u200f"),
    "an ideographic variant": ("葛\U000e0100城", "葛\U000e0100城"),
}


@pytest.mark.parametrize(("value", "shown"), TITLES.values(), ids=TITLES)
def test_a_title_reads_as_it_is_written(library: Library, value: str, shown: str) -> None:
    values = Values(person={"first_name": value})
    mail = render(library.require("welcome"), "email", values, library.brand).content
    push = render(library.require("welcome"), "push", values, library.brand).content
    assert isinstance(mail, Email) and isinstance(push, Push)
    assert (mail.subject, push.title) == (f"Welcome, {shown}", f"Welcome, {shown}")
    # In what is opened and read, text is the sender's.
    assert f"Hello {value}".replace("\r\n", "\n") in mail.text
    given = render(Inline(text=value, subject=value), "email", Values(), library.brand).content
    assert isinstance(given, Email) and (given.subject, given.text) == (shown, value)


@pytest.mark.parametrize("value", ["\u200b", " \u202e\n", "\u200d\u200f", "\u3164"])
@pytest.mark.parametrize("channel", ["email", "push"])
def test_a_title_without_anything_to_see_is_refused(library: Library, channel: str, value: str) -> None:
    with pytest.raises(ContentRefused, match="is empty"):
        render(Inline(text="x", subject=value, title=value), channel, Values(), library.brand)


@pytest.mark.parametrize("name", ["Alpine\u202e", "Al\u200bpine", "Alpine\nBcc: eve", " Alpine"])
def test_a_senders_name_reads_as_it_is_written(tmp_path: Path, name: str) -> None:
    brand = tmp_path / "brand.yaml"
    brand.write_text(f"name: {json.dumps(name)}\n")
    with pytest.raises(ConfigurationError, match="one line, without characters that nobody sees"):
        load_library(SHIPPED, brand)


def test_a_message_that_needs_no_consent_has_no_link(library: Library) -> None:
    shipped = library.require("order_shipped")
    values = replace(example_values(shipped.template), unsubscribe_url=None)
    mail = render(shipped, "email", values, library.brand).content
    assert isinstance(mail, Email) and "Unsubscribe" not in mail.html + mail.text
    sms = render(shipped, "sms", values, library.brand).content
    assert isinstance(sms, Text) and "STOP" not in sms.text


def test_products_are_listed_and_left_out_if_there_are_none(library: Library) -> None:
    welcome = library.require("welcome")
    products = {"in_season": [{"name": "Trail <shoes>", "url": "https://shop.example.com/p/1"}, {"name": "Rope"}]}
    mail = render(welcome, "email", Values(products=products), library.brand).content
    assert isinstance(mail, Email)
    assert "Trail &lt;shoes&gt;" in mail.html and "- Trail <shoes> (https://shop.example.com/p/1)\n- Rope" in mail.text
    without = render(welcome, "email", Values(), library.brand).content
    assert isinstance(without, Email) and '<table role="presentation" width="100%"' not in without.html


BLOCKS = """
title: T
languages:
  en:
    email:
      subject: "{{ products.in_cart.size }} things"
      blocks: [{products: in_cart, most: 2}, {text: and}, {products: in_cart, most: 2}, {products: in_season, most: 1}]
    sms: "{% if products.last_viewed.size > 0 %}{{ products.last_viewed[0].name }}{% else %}Hello{% endif %}"
"""


def test_blocks_of_one_choice_go_on_where_the_one_before_ended(tmp_path: Path) -> None:
    (tmp_path / "blocks.yaml").write_text(BLOCKS)
    found = load_library(tmp_path, BRAND)
    blocks = found.require("blocks")
    assert products_in(blocks, "email", {}) == {"in_cart": 4, "in_season": 1}
    assert products_in(blocks, "sms", {"language": "de"}) == {"last_viewed": 12}
    products = {"in_cart": [{"name": name, "url": f"https://x.example/{name}"} for name in "abc"]}
    mail = render(blocks, "email", Values(products=products), found.brand).content
    assert isinstance(mail, Email) and mail.subject == "3 things"
    lines = [line[:3] for line in mail.text.split("--")[0].splitlines() if line]
    assert lines == ["- a", "- b", "and", "- c"]
    assert [mail.html.index(f"x.example/{name}") for name in "abc"] == sorted(
        mail.html.index(f"x.example/{name}") for name in "abc"
    )
    assert mail.html.count("x.example/") == 3


def test_a_product_has_its_picture_and_price_where_they_are_known(library: Library) -> None:
    shoes = {"name": "Shoes", "url": "https://x.example/s", "image_url": "https://x.example/s.jpg?a=1&b=2"}
    products = {
        "in_season": [{**shoes, "price": "89.90", "currency": "EUR"}, {"name": "Rope", "url": "https://x.example/r"}]
    }
    mail = render(library.require("welcome"), "email", Values(products=products), library.brand).content
    assert isinstance(mail, Email)
    assert "- Shoes, 89.90 EUR (https://x.example/s)\n- Rope (https://x.example/r)" in mail.text
    assert 'src="https://x.example/s.jpg?a=1&amp;b=2"' in mail.html and mail.html.count("<img") == 1
    assert mail.html.count("EUR") == 1


def test_a_version_is_its_content(library: Library, tmp_path: Path) -> None:
    welcome = library.require("welcome")
    again = compile_document("welcome", welcome.document)
    assert again.version == welcome.version
    values = example_values(welcome.template)
    assert render(again, "email", values, library.brand) == render(welcome, "email", values, library.brand)
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "welcome.yaml"
    path.write_text(path.read_text().replace("We are glad", "How good"))
    assert load_library(tmp_path, BRAND).require("welcome").version != welcome.version


NEEDS = """
title: T
needs: {items: {example: [{name: Rope}]}}
languages: {en: {sms: "{% for i in data.items %}{{ i.name }}{% endfor %}"}}
"""


def test_a_list_of_values_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(NEEDS)
    found = load_library(tmp_path, BRAND)
    values = Values(data={"items": [{"name": "Rope"}, {"name": "Axe"}]})
    assert render(found.require("list"), "sms", values, found.brand).content == Text("RopeAxe")


LINKS = ("javascript:alert(1)", "data:text/html,x", " JaVaScRiPt:alert(1)", "vbscript:x", "//evil.example.com")


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("channel", ["email", "push"])
def test_a_link_that_is_none_of_the_web_is_refused(library: Library, link: str, channel: str) -> None:
    shipped = library.require("order_shipped")
    with pytest.raises(ContentRefused, match="neither http nor https"):
        render(shipped, channel, Values(data={"order_id": "1", "tracking_url": link}), library.brand)


ITEMS = [{"name": "Rope", "count": 2}]
SHAPES = (
    # the example, the value, what is wrong with it
    (ITEMS, [{"name": "Axe", "count": 1, "colour": "red"}, {"name": "Rope", "count": 2.5}], None),
    (ITEMS, [{"name": 12, "count": 1}], None),
    (ITEMS, [{"x": 1}], "data.items[0].name is missing"),
    (ITEMS, [{"name": "Axe", "count": 1}, {"name": "Rope"}], "data.items[1].count is missing"),
    (ITEMS, ["a"], "data.items[0] is not what the template's example is: dict"),
    (ITEMS, [1], "data.items[0] is not what the template's example is: dict"),
    (ITEMS, {"name": "Axe", "count": 1}, "data.items is not what the template's example is: list"),
    (ITEMS, [{"name": "Axe", "count": "2"}], "data.items[0].count is not what the template's example is: int"),
    (ITEMS, [{"name": "Axe", "count": True}], "data.items[0].count is not what the template's example is: int"),
    (ITEMS, [{"name": None, "count": 1}], "data.items[0].name is empty"),
    (ITEMS, [{"name": "", "count": 1}], "data.items[0].name is empty"),
    (ITEMS, [], "data.items is empty"),
    ([{"name": "Rope"}, "Axe"], ["Tent", {"name": "Axe"}], None),
    ({"to": {"city": "Bern"}}, {"to": {"town": "Bern"}}, "data.items.to.city is missing"),
    ([["a"]], [["b", "c"], ["d"]], None),
    ([["a"]], [["b", ["c"]]], "data.items[0][1] is not what the template's example is: str"),
    (1, 2.5, None),
    (1, "2", "data.items is not what the template's example is: int"),
    (True, False, None),
    (True, 1, "data.items is not what the template's example is: bool"),
    ("a", 12, None),
    ("a", True, "data.items is not what the template's example is: str"),
)


@pytest.mark.parametrize(("example", "value", "wrong"), SHAPES)
def test_data_have_the_shape_of_the_example(example: Any, value: Any, wrong: str | None) -> None:
    assert misfit(value, example, "data.items") == wrong


def with_items(example: Any, longest: int, text: str) -> str:
    needs = json.dumps({"items": {"example": example, "longest": longest}})
    return f"title: T\nneeds: {needs}\nlanguages: {{en: {{sms: {json.dumps(text)}}}}}"


EACH = "{% for i in data.items %}{{ i.name }}: https://shop.example.com/products {% endfor %}"
TOO_LONG = (
    # the example, the text: both are short enough with the example alone
    ([{"name": "a"}], EACH),
    ([{"name": "a"}], "{{ data.items[0].name }}"),
    ({"name": "a", "to": {"city": "b"}}, "{{ data.items.to.city }}"),
    ([["a"]], "{{ data.items[0][0] }}"),
)


@pytest.mark.parametrize(("example", "text"), TOO_LONG)
def test_lists_and_objects_are_tried_at_their_longest(tmp_path: Path, example: Any, text: str) -> None:
    found = problem(tmp_path, with_items(example, 2000, text))
    assert "with the longest values: sms: the text has" in found and "at most 10 are allowed" in found
    (tmp_path / "trial.yaml").write_text(with_items(example, 60, text))
    assert all_problems(tmp_path, BRAND) == {}


@pytest.mark.parametrize(
    "example", [[{"name": "a"}], ["https://a.example"], {"a": {"b": "c"}, "d": 1}, [1, "a"], "a", 7]
)
def test_the_longest_values_are_as_long_as_is_allowed_and_have_the_shape_of_the_example(example: Any) -> None:
    need = Need(example=example, longest=300)
    for value in longest_of(need):
        assert misfit(value, example, "x") is None
        size = len(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        assert size <= 300 and (size > 280 or example == 7)


UNCLEAR = (
    ([], "the example has something empty, so that nobody knows what is sent there"),
    ([{"name": ""}], "the example has something empty"),
    ({"items": []}, "the example has something empty"),
    ({"name": None}, "the example has something empty"),
    ([{"name": "a" * 60}], "the example has 74 characters as JSON, but `longest` is 60"),
)


@pytest.mark.parametrize(("example", "words"), UNCLEAR)
def test_an_example_that_does_not_tell_what_is_sent_is_refused(tmp_path: Path, example: Any, words: str) -> None:
    assert f"needs.items: {words}" in problem(tmp_path, with_items(example, 60, "Hello"))


HARMLESS = (
    "See https://shop.example.com/?src=mail for more",
    "Set action=now",
    'src="x" href = javascript:alert(1)',
    "<img src=x>",
    "<a href='javascript:alert(1)'>",
    "1 < 2, href=3 > 2",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_text_that_looks_like_a_link_is_text(library: Library, tmp_path: Path, text: str) -> None:
    given = render(Inline(subject="Hi", text=text), "email", Values(), library.brand).content
    assert isinstance(given, Email) and given.text == text
    (tmp_path / "said.yaml").write_text(
        MAIL.format(subject="Hi", text="{{ data.words }}") + "needs: {words: {example: x, longest: 100}}"
    )
    found = load_library(tmp_path, BRAND)
    mail = render(found.require("said"), "email", Values(data={"words": text}), found.brand).content
    assert isinstance(mail, Email) and text in mail.text


TAGS = (
    "<a href=javascript:alert(1)>x</a>",
    "<A HREF = 'JaVaScRiPt:alert(1)'>x</A>",
    '<a\nhref\n=\n"java&#x0A;script:alert(1)">x</a>',
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='&#106;avascript&colon;alert(1)'>x</a>",
    "<a href='\x01 javascript:alert(1)'>x</a>",
    "<a title=\"a > b\" href='data:text/html,x'>x</a>",
    "<a/href='vbscript:x'>x</a>",
    "<img src='x' />",
    "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<form><button formaction='javascript:alert(1)'>x</button></form>",
    "<object data='data:text/html,x'></object>",
    "<img srcset='https://x.example/a.png 1x, javascript:x 2x'>",
    "<meta http-equiv=refresh content='0; url=javascript:alert(1)'>",
    "<!--[if mso]><a href='javascript:alert(1)'>x</a><![endif]-->",
    "<!--><a href='javascript:alert(1)'>x</a>-->",
    "<![CDATA[><a href='javascript:alert(1)'>x</a>]]>",
    "<?x <a href='javascript:alert(1)'>x</a>?>",
    "<svg><style><a href='javascript:alert(1)'>x</a></style></svg>",
    "<a href='javascript:alert(1)'",
    "<a href='javascript:alert(1)",
    "<!--" * 20_000 + "<a href='javascript:alert(1)'>",
    "<body background='//evil.example.com/x'>",
)


@pytest.mark.parametrize("html", TAGS)
def test_a_link_of_a_tag_is_found_however_it_is_spelt(library: Library, html: str) -> None:
    content = Inline(subject="Hi", text="x", html=html)
    with pytest.raises(ContentRefused, match="neither http nor https"):
        render(content, "email", Values(unsubscribe_url="https://x/u/t"), library.brand)


def test_links_of_the_web_are_in_order(library: Library) -> None:
    links = (
        "https://x.example/?a=1&amp;b=javascript:2",
        " HTTPS://x.example",
        "mailto:a@x.example",
        "tel:+4144",
        "#top",
    )
    html = "".join(f'<a href="{link}">x</a>' for link in links)
    html += "<img src='cid:1' srcset='https://x.example/a.png 1x, https://x.example/b.png 2x'><a name=x>x</a>"
    html += "<![odd]><![><!odd><?odd><![endif]--><!-- a < b --><style>a[href=x] {color: red}</style>"
    assert render(Inline(subject="Hi", text="x", html=html), "email", Values(), library.brand).content


def test_what_looks_like_a_mark_of_ours_is_text(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(MAIL.format(subject="Hi", text="see xLiquid7x and {{ brand.name }}"))
    found = load_library(tmp_path, BRAND)
    content = render(found.require("odd"), "email", Values(), found.brand).content
    assert isinstance(content, Email) and "see xLiquid7x and Alpine" in content.text


@pytest.mark.parametrize(
    ("channel", "takes"), [("whatsapp", "only its provider's templates"), ("messenger", "no message")]
)
def test_a_chat_takes_text_only_while_it_is_open(library: Library, channel: str, takes: str) -> None:
    with pytest.raises(ChatIsClosed, match=f"{channel}: the person has not written within a day.*{takes}"):
        render(Inline(text="hi"), channel, Values(), library.brand)
    assert render(Inline(text="hi"), channel, Values(is_chat_open=True), library.brand).content == Text("hi")


def test_a_bot_writes_at_any_time(library: Library) -> None:
    assert render(Inline(text="hi"), "telegram", Values(), library.brand).content == Text("hi")


BOMB = "{% assign a = 'aaaaaaaaaa' %}{{ a" + " | replace: 'a', a" * 9 + " | size }}"

# Templates that would take gigabytes or minutes. `a` doubles to 8,192 characters, `n` to as many digits.
DOUBLED = "{% assign a = 'ab' %}" + "{% assign a = a | append: a %}" * 12
LONG_NUMBER = "{% assign n = 9999999999 %}" + "{% assign n = n | times: n %}" * 30
BOMBS = (
    # the text of a message, the problem
    ("{{ (1..300000000) | join: '' | size }}", "a range has more than 2,000 numbers"),
    ("{% assign r = (1..300000000) %}{{ r | join: '' | size }}", "a range has more than 2,000 numbers"),
    ("{% for i in (1..9999999) %}x{% endfor %}", "a range has more than 2,000 numbers"),
    ("{% for i in (1..300000000) limit: 1 offset: 299999999 %}x{% endfor %}", "a range has more than 2,000 numbers"),
    ("{% tablerow i in (1..300000000) limit: 1 %}x{% endtablerow %}", "a range has more than 2,000 numbers"),
    ("{% if (1..300000000) contains 'x' %}x{% endif %}", "a range has more than 2,000 numbers"),
    ("{% unless x %}{% case 1 %}{% when 1 %}{{ 'x' | append: (1..300000000) }}{% endcase %}{% endunless %}", "a range"),
    ("{{ 'x' | split: '' | concat: (1..99999999999999999999999) }}", "a range has more than 2,000 numbers"),
    (DOUBLED + "{{ a | split: '' | join: a | size }}", "too long"),
    (DOUBLED + "{{ a | replace: 'a', a | size }}", "too long"),
    (DOUBLED + "{{ a" + " | append: a" * 200 + " | size }}", "too long"),
    (DOUBLED + "{{ a" + " | prepend: a" * 200 + " | size }}", "too long"),
    (DOUBLED + "{% assign w = a | split: 'x' %}{{ w" + " | concat: w" * 200 + " | size }}", "too long"),
    ("{% assign w = 'x' | split: '' %}" + "{% assign w = w | concat: w %}" * 30, "too long"),
    (DOUBLED + "{{ a | split: 'b' | map: 'a' | join: a | size }}", "too long"),
    ("{{ (1..2000) | uniq | size }}", "too long"),
    (LONG_NUMBER + "{{ n | minus: n }}", "too long"),
    ("{% assign a = 'x' %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 40, "local namespace limit reached"),
    ("{{ 'now' | date: '" + "%Y" * 999 + "' }}", "a date or its format has more than 200 characters"),
    ("{% for i in (1..2000) %}{% endfor %}" * 200, "too long"),
    (DOUBLED + "{% for i in (1..2000) %}{% assign b = a | upcase %}{% endfor %}", "too long"),
)


@pytest.mark.parametrize(("text", "words"), BOMBS)
def test_a_template_that_would_take_long_is_refused_at_once(tmp_path: Path, text: str, words: str) -> None:
    started = time.process_time()
    line = problem(tmp_path, f"title: T\nlanguages: {{en: {{sms: {json.dumps(text)}}}}}")
    assert words in line
    assert time.process_time() - started < 2


def test_filters_work_on_what_messages_say(tmp_path: Path) -> None:
    text = "{% assign names = 'Rope,Axe,Axe' | split: ',' | uniq %}{{ names | join: ' and ' }}, {{ (1..3) | join }}"
    (tmp_path / "filters.yaml").write_text(f"title: T\nlanguages: {{en: {{sms: {json.dumps(text)}}}}}")
    found = load_library(tmp_path, BRAND)
    assert render(found.require("filters"), "sms", Values(), found.brand).content == Text("Rope and Axe, 1 2 3")


BROKEN = (
    # content, the problem
    (
        MAIL.format(subject="Hi {{ person.first_name }}", text="x"),
        "without any trait: en.email.subject: person.first_name is undefined",
    ),
    (
        MAIL.format(subject="Hi {{ data.x }}", text="x"),
        "data.x is given by nobody",
    ),
    (MAIL.format(subject="Hi", text="{% if x"), "languages.en.email.blocks.0.text: missing tag name"),
    (MAIL.format(subject="Hi", text="{{ 'x' | nofilter }}"), "unknown filter 'nofilter'"),
    (
        MAIL.format(subject="Hi", text="{% for i in (1..1999) %}{% for j in (1..99) %}x{% endfor %}{% endfor %}"),
        "loop iteration limit reached",
    ),
    (
        MAIL.format(subject="Hi", text="{% for i in (1..1000) %}" + "x" * 600 + "{% endfor %}"),
        "output stream limit reached",
    ),
    (
        MAIL.format(subject="Hi", text="{% assign a = 'aaaaaaaaaa' %}{{ a" + " | replace: 'a', a" * 9 + " | size }}"),
        "too long",
    ),
    (MAIL.format(subject="Hi", text="{% include 'welcome' %}"), "unexpected tag 'include'"),
    (
        MAIL.format(subject="Hi", text="Only 19.90 CHF"),
        "19.90 CHF is a price or a percentage, but the template declares no offer",
    ),
    (MAIL.format(subject="20% off", text="x"), "20% is a price or a percentage"),
    (MAIL.format(subject="Hi", text="Act now!"), "the brand does not say 'act now'"),
    (MAIL.format(subject="Hi", text="[Click here](https://x)"), "instead of 'click here'"),
    (
        "title: T\nlanguages: {en: {sms: '" + "x" * 1600 + "'}}",
        "with the longest values: sms: the text has 11 segments; at most 10 are allowed",
    ),
    ("title: T\nlanguages: {en: {push: {title: t, body: '" + "x" * 4000 + "'}}}", "the notification has 4,"),
    (
        "title: T\nlanguages: {en: {whatsapp: {text: '" + "x" * 4097 + "'}}}",
        "the text has 4,097 characters; at most 4,096",
    ),
    (
        "title: T\nlanguages: {en: {telegram: {text: '" + "x" * 4097 + "'}}}",
        "the text has 4,097 characters; at most 4,096",
    ),
    (
        "title: T\nlanguages: {en: {messenger: {text: '" + "x" * 2001 + "'}}}",
        "the text has 2,001 characters; at most 2,000",
    ),
    ("title: T\nlanguages: {en: {whatsapp: {values: [a]}}}", "give a text, a template, or both"),
    (
        "title: T\nlanguages: {en: {messenger: {text: x, template: t, language: en}}}",
        "languages.en.messenger.template: unknown key",
    ),
    ("title: T\nlanguages: {en: {sms: x}, de: {smss: x}}", "languages.de.smss: unknown key"),
    ("title: T\ndefault_language: de\nlanguages: {en: {sms: x}}", "the default language de has no words"),
    ("title: T\noffer: {scope: x, price: 1}\nlanguages: {en: {sms: x}}", "a price needs a currency"),
    ("title: T\noffer: {scope: x, discount: 1.5}\nlanguages: {en: {sms: x}}", "less than or equal to 1"),
    ("title: T\nlanguages: {en: {sms: '{{ offer.discount | times: 100 }}'}}", "offer.discount is given by nobody"),
    ("title: T\nlanguages: {en: {sms: '{{ products.in_carts | size }}'}}", "products.in_carts is given by nobody"),
    (
        "title: T\nlanguages: {en: {sms: 'Hi {{ person.first_nam | default: \"x\" }}'}}",
        "person.first_nam is given by nobody: is it person.first_name?",
    ),
    (
        "title: T\nlanguages: {en: {sms: 'Hi{% if person.shoe_size %}x{% endif %}'}}",
        "person.shoe_size is given by nobody",
    ),
    ("title: T\nlanguages: {en: {sms: '{{ products.in_cart[0].name }}'}}", "without any trait: en.sms.text"),
    ("title: T\nlanguages: {en: {sms: x}}\ntitle: U", "duplicate key"),
    ("[", "not YAML"),
)


@pytest.mark.parametrize(("content", "words"), BROKEN)
def test_a_broken_template_is_one_clear_line(tmp_path: Path, content: str, words: str) -> None:
    line = problem(tmp_path, content)
    assert line.startswith("trial.yaml:") and words in line
    assert len(line.splitlines()) == 1


# What a text may not say without an offer, nor beside one: the offer can have other terms.
PRICES = (
    # the text, the price that is found in it
    ("{{ 20 }}% off", "20%"),
    ("{{ 0.2 | times: 100 }}% off", "20.0%"),
    ("20{{ '%' }} off", "20%"),
    ("{% assign share = 20 %}{{ share }}% off", "20%"),
    ("{% if person.city %}{% assign share = 20 %}{% else %}{% assign share = 10 %}{% endif %}{{ share }}% off", "10%"),
    ("{% if person.city %}{% assign a = 20 %}{% else %}{% assign a = data.share %}{% endif %}{{ a }}% off", "20%"),
    ("{% capture share %}20 %{% endcapture %}{{ share }} off", "20 %"),
    ("{% for share in (20..20) %}{{ share }}% off{% endfor %}", "20%"),
    ("{% cycle '20', '30' %}% off", "2030%"),
    ("{{ data.share | default: 20 }}% off", "20%"),
    ("{{ data.share | default: 0.2 | times: 100 | round }} percent off", "20 percent"),
    ("{{ 'CHF' }} {{ 20 }} less", "CHF 20"),
    ("２０％ off", "20%"),
    ("20\u200b% off", "20%"),
    ("20 percent off", "20 percent"),
    ("20-percent discount", "20-percent"),
    ("Twenty per cent off", "Twenty per cent"),
    ("only 20 euros", "20 euros"),
    ("20.– CHF", "20.– CHF"),
    ("half price today", "half price"),
    ("shoes, half-price", "half-price"),
    ("½ price", "1⁄2 price"),
    ("20 Prozent Rabatt, zum halben Preis", "20 Prozent"),
    ("zum halben Preis", "halben Preis"),
    ("-20 pour cent", "20 pour cent"),
    ("à moitié prix", "moitié prix"),
    ("20 per cento", "20 per cento"),
    ("a metà prezzo", "metà prezzo"),
    ("un 20 por ciento", "20 por ciento"),
    ("a mitad de precio", "mitad de precio"),
)


@pytest.mark.parametrize("offer", [False, True])
@pytest.mark.parametrize(("text", "price"), PRICES)
def test_a_price_in_plain_words_is_found_however_it_is_written(
    tmp_path: Path, text: str, price: str, *, offer: bool
) -> None:
    declared = "offer: {scope: x, discount: 0.1}\n" if offer else ""
    needs = "needs: {share: {example: 0.2}}\n"
    line = problem(tmp_path, f"title: T\n{needs}{declared}languages: {{en: {{sms: {json.dumps(text)}}}}}")
    reason = "beside the offer, which may have other terms" if offer else "but the template declares no offer"
    assert f"languages.en.sms: {price} is a price or a percentage" in line and reason in line


def test_a_price_in_markdown_is_found(tmp_path: Path) -> None:
    for text in ("**20**% off", "20&#37; off"):
        assert "20% is a price or a percentage" in problem(tmp_path, MAIL.format(subject="Hi", text=text))


NO_PRICES = (
    "You have paid {{ data.total }} EUR and saved {{ data.share }}%",
    "{{ data.share | times: 100 | round }} percent of your points",
    "{% assign share = data.share | times: 100 %}Now {{ share }}%, in 2 {{ data.share }}% steps",
    "{% for one in products.in_cart limit: 2 %}{{ one.price }} {{ one.currency }}{% endfor %} and more",
    "{% assign n = 0 %}{% for i in products.in_cart %}{% assign n = n | plus: i.price %}{% endfor %}{{ n }} EUR",
    "Take 2 audio books, Monsieur 5, until 31 March, on page 20",
    "See https://shop.example.com/?q=a%205%20b",
    "Half of us pay the price of ten days",
)


@pytest.mark.parametrize("text", NO_PRICES)
def test_numbers_that_are_no_prices_of_the_template_are_in_order(tmp_path: Path, text: str) -> None:
    needs = "needs: {share: {example: 0.2}, total: {example: '20.00'}}\n"
    (tmp_path / "fine.yaml").write_text(f"title: T\n{needs}languages: {{en: {{sms: {json.dumps(text)}}}}}")
    assert all_problems(tmp_path, BRAND) == {}


def test_the_brands_words_count_in_constants_too(tmp_path: Path) -> None:
    assert "the brand does not say 'act now'" in problem(tmp_path, MAIL.format(subject="Hi", text="{{ 'Act' }} now!"))


def test_an_unknown_template_names_those_there_are(library: Library) -> None:
    with pytest.raises(InputRefused, match="unknown template"):
        library.require("welcom")


def test_one_off_content_goes_where_it_suits(library: Library) -> None:
    text = Inline(text="Hello <you>")
    chats = ("whatsapp", "telegram", "messenger")
    assert text.channels == ("sms", *chats)
    mail = Inline(subject="Hi", text="Hello <you>\n\nBye")
    assert mail.channels == ("email", "sms", *chats)
    content = render(mail, "email", Values(unsubscribe_url="https://x/u/t"), library.brand).content
    assert isinstance(content, Email)
    assert content.html.startswith("<p>Hello &lt;you&gt;</p><p>Bye</p>") and 'href="https://x/u/t"' in content.html
    assert content.text.endswith("Unsubscribe or change what you get: https://x/u/t")
    with pytest.raises(ContentRefused, match="content for push needs a title"):
        render(mail, "push", Values(), library.brand)
    with pytest.raises(ContentRefused, match="11 segments"):
        render(Inline(text="x" * 1600), "sms", Values(), library.brand)
