"""A template, or content given with the message, as what one person gets on one channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cdp.channels import CHATS, FORMS, Form
from cdp.content.compiled import Compiled, Parts
from cdp.content.limits import require_safe_links, require_short
from cdp.content.liquid import ContentRefused, rendered
from cdp.content.model import PRODUCT_CHOICES, Brand, ChatForm, ProductChoice, TextChatForm
from cdp.content.titles import title_of
from cdp.delivery import ChatTemplate, Content, Email, Push, Text


class ChatIsClosed(ContentRefused):
    """The chat takes no text, because the person has not written within a day."""

    code = "chat_is_closed"

    def __init__(self, channel: str) -> None:
        what = "only its provider's templates" if CHATS[channel].has_templates else "no message"
        super().__init__(f"{channel}: the person has not written within a day, so that the chat takes {what}")


@dataclass(frozen=True)
class Values:
    """What a message says of its person.

    person: traits that are known. data: what the sender gave. offer: the terms in force for this person.
    products: by the choice of a block. unsubscribe_url, headers: of a message that must carry them.
    is_chat_open: the person has written in the last 24 hours, so that any chat takes text.
    """

    person: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    offer: Mapping[str, Any] = field(default_factory=dict)
    products: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    unsubscribe_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_chat_open: bool = False


@dataclass(frozen=True)
class Rendered:
    """What goes out, and the language that it is in."""

    content: Content
    language: str


class Inline(BaseModel):
    """Content given with a message, for one-off messages: it is sent as it is, without Liquid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1, max_length=100_000)
    subject: str | None = Field(None, min_length=1, max_length=500, description="Subject of an e-mail")
    html: str | None = Field(None, min_length=1, max_length=200_000, description="HTML of an e-mail")
    title: str | None = Field(None, min_length=1, max_length=500, description="Title of a notification")

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that the content suits."""
        missing = {form for form, part in _NEEDED.items() if getattr(self, part) is None}
        return tuple(name for name, form in FORMS.items() if form not in missing)

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        for text in (self.text, self.subject, self.html, self.title):
            if text and "\0" in text:
                raise ValueError("text must not have the character NUL")
        try:
            self.model_dump_json().encode()
        except ValueError:
            raise ValueError("text must be Unicode") from None
        return self


# What content for a form needs besides its text.
_NEEDED: Mapping[Form, str] = {"mail": "subject", "notification": "title"}


def channels_of(content: Compiled | Inline) -> tuple[str, ...]:
    """The channels that the content has words for, in any language."""
    if isinstance(content, Inline):
        return content.channels
    return tuple(dict.fromkeys(channel for _, channel in content.parts))


def render(content: Compiled | Inline, channel: str, values: Values, brand: Brand) -> Rendered:
    """What a person gets on a channel.

    Args:
        brand: of content given with the message; a template has its own.

    Raises:
        ContentRefused: there are no words for the channel, a value is missing, or it is too long.
    """
    found = _inline(content, channel, values, brand) if isinstance(content, Inline) else _of(content, channel, values)
    titled = _titled(found.content)
    require_short(channel, titled)
    require_safe_links(channel, titled)
    return replace(found, content=titled)


def _titled(content: Content) -> Content:
    match content:
        case Email():
            return replace(content, subject=title_of(content.subject))
        case Push():
            return replace(content, title=title_of(content.title))
        case _:
            return content


def _of(compiled: Compiled, channel: str, values: Values) -> Rendered:
    language = _language_of(compiled, channel, values.person)
    words = compiled.template.languages[language]
    parts = compiled.parts.get((language, channel))
    if parts is None:
        raise ContentRefused(f"the template {compiled.name} has no words for {channel} in {language}")
    variables = _variables(values, compiled.brand)
    match FORMS[channel]:
        case "mail":
            return Rendered(_email(parts, variables, values), language)
        case "notification":
            return Rendered(_push(parts, variables), language)
        case "text":
            text = _with_opt_out(rendered(parts["text"], variables), language, compiled.brand, values)
            return Rendered(Text(text), language)
        case _:
            return Rendered(_chat(getattr(words, channel), channel, parts, variables, values), language)


def _language_of(compiled: Compiled, channel: str, person: Mapping[str, Any]) -> str:
    """The language of the message: a language may have words for some channels only."""
    language, _ = compiled.template.words_for(person.get("language"))
    return language if (language, channel) in compiled.parts else compiled.template.default_language


def products_in(
    content: Compiled | Inline | None, channel: str, person: Mapping[str, Any]
) -> Mapping[ProductChoice, int]:
    """How many products of each choice a person's message on a channel shows."""
    if not isinstance(content, Compiled):
        return {}
    return content.products.get((_language_of(content, channel, person), channel), {})


def _variables(values: Values, brand: Brand) -> Mapping[str, Any]:
    return {
        "person": {name: value for name, value in values.person.items() if value is not None},
        "data": values.data,
        "offer": values.offer,
        "products": {choice: values.products.get(choice, ()) for choice in PRODUCT_CHOICES},
        "brand": {"name": brand.name},
        "unsubscribe_url": values.unsubscribe_url,
    }


def _email(parts: Parts, variables: Mapping[str, Any], values: Values) -> Email:
    subject, text, html = (rendered(parts[part], variables) for part in ("subject", "text", "html"))
    return Email(subject, text, html, values.headers)


def _push(parts: Parts, variables: Mapping[str, Any]) -> Push:
    made = {name: rendered(part, variables).strip() for name, part in parts.items()}
    data = {name.removeprefix("data."): value for name, value in made.items() if name.startswith("data.")}
    return Push(made["title"], made["body"], made.get("url"), data)


def _chat(
    form: ChatForm | TextChatForm, channel: str, parts: Parts, variables: Mapping[str, Any], values: Values
) -> Text | ChatTemplate:
    is_open = _is_open(channel, values)
    if isinstance(form, ChatForm) and form.template and not (form.text and is_open):
        filled = tuple(rendered(part, variables).strip() for name, part in parts.items() if name.startswith("value."))
        return ChatTemplate(form.template, str(form.language), filled)
    if not is_open:
        raise ChatIsClosed(channel)
    return Text(rendered(parts["text"], variables).strip())


def _is_open(channel: str, values: Values) -> bool:
    return values.is_chat_open or CHATS[channel].is_always_open


def _with_opt_out(text: str, language: str, brand: Brand, values: Values) -> str:
    """A message that needs consent says how to stop."""
    if values.unsubscribe_url is None:
        return text.strip()
    words = brand.opt_out.get(language) or brand.opt_out.get(language.partition("-")[0])
    return f"{text.strip()} {words or next(iter(brand.opt_out.values()))}"


def _inline(inline: Inline, channel: str, values: Values, brand: Brand) -> Rendered:
    if channel not in inline.channels:
        raise ContentRefused(f"content for {channel} needs a {_NEEDED[FORMS[channel]]}")
    match FORMS[channel]:
        case "mail":
            return Rendered(_inline_email(inline, values, brand), "")
        case "notification":
            return Rendered(Push(str(inline.title), inline.text), "")
        case "text":
            return Rendered(Text(_with_opt_out(inline.text, "en", brand, values)), "")
        case _:
            if not _is_open(channel, values):
                raise ChatIsClosed(channel)
            return Rendered(Text(inline.text), "")


def _inline_email(inline: Inline, values: Values, brand: Brand) -> Email:
    url, words = values.unsubscribe_url, next(iter(brand.unsubscribe.values()))
    text = f"{inline.text}\n\n--\n{words}: {url}" if url else inline.text
    html = inline.html or f"<p>{escape(inline.text)}</p>".replace("\n\n", "</p><p>").replace("\n", "<br>")
    footer = f'<p><a href="{escape(url)}">{escape(words)}</a></p>' if url else ""
    return Email(str(inline.subject), text, _with_footer(html, footer), values.headers)


def _with_footer(html: str, footer: str) -> str:
    """The footer at the end of the body, if the HTML has one."""
    at = html.lower().rfind("</body>")
    return html + footer if at < 0 else html[:at] + footer + html[at:]
