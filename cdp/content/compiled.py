"""Templates made ready: the parsed words of each language and channel, and a version that names their content."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import mjml
from liquid import BoundTemplate

from cdp.channels import FORMS, Form
from cdp.content.liquid import ContentRefused, parsed
from cdp.content.mail import mail_source, text_source
from cdp.content.markdown import around_liquid
from cdp.content.model import (
    MOST_PRODUCTS,
    PRODUCT_CHOICES,
    Brand,
    ChatForm,
    MailForm,
    ProductChoice,
    Products,
    PushForm,
    Template,
    TextChatForm,
    Words,
    texts_of,
)
from cdp.content.words import shows_terms

# The parts of a message, such as `subject`, `text` and `html` of an e-mail.
Parts = Mapping[str, BoundTemplate]


@dataclass(frozen=True)
class Compiled:
    """A template under a brand. version: names the content; another word anywhere makes another version.

    parts: the parts of each message, by (language, channel). products: how many products each shows, by their choice.
    """

    name: str
    version: str
    template: Template
    brand: Brand
    parts: Mapping[tuple[str, str], Parts]
    products: Mapping[tuple[str, str], Mapping[ProductChoice, int]]

    @cached_property
    def is_adaptable(self) -> bool:
        """Whether it can say other terms of the offer's kind, since it names no price but from `offer`."""
        return shows_terms(self.template)

    @property
    def document(self) -> str:
        """All that the version consists of, as JSON text; `compile_document` reads it."""
        return _document(self.template, self.brand)


def compile_template(name: str, template: Template, brand: Brand) -> Compiled:
    """Compile a template.

    Raises:
        ContentRefused: a text is not Liquid. The message names the field.
    """
    for place, text in texts_of(template):
        parsed(text, ".".join(map(str, place[1:])))
    parts = {
        (language, channel): made
        for language, words in template.languages.items()
        for channel, made in _parts(language, words, brand)
    }
    version = hashlib.sha256(_document(template, brand).encode()).hexdigest()[:12]
    products = {place: _products_in(template, place, made) for place, made in parts.items()}
    return Compiled(name, version, template, brand, parts, products)


def compile_document(name: str, document: str) -> Compiled:
    """Compile a version that was kept as its document."""
    found = json.loads(document)
    return compile_template(name, Template.model_validate(found["template"]), Brand.model_validate(found["brand"]))


def _document(template: Template, brand: Brand) -> str:
    whole = {"template": _plain(template), "brand": _plain(brand)}
    return json.dumps(whole, sort_keys=True, ensure_ascii=False)


def _plain(model: Template | Brand) -> object:
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _parts(language: str, words: Words, brand: Brand) -> Iterator[tuple[str, Parts]]:
    for channel in words.channels:
        form = getattr(words, channel)
        made = _OF_FORM[FORMS[channel]](form, language, brand)
        yield channel, {part: _parsed(source, f"{language}.{channel}.{part}", part) for part, source in made.items()}


def _products_in(template: Template, place: tuple[str, str], parts: Parts) -> Mapping[ProductChoice, int]:
    """The products of the blocks; where Liquid speaks of others, it may show as many as there are."""
    language, channel = place
    form = getattr(template.languages[language], channel)
    blocks = form.blocks if isinstance(form, MailForm) else ()
    counts = Counter[ProductChoice]()
    for block in blocks:
        if isinstance(block, Products):
            counts[block.products] += block.most
    named = {
        str(variable.segments[1])
        for part in parts.values()
        for variable in part.analyze().globals.get("products", ())
        if len(variable.segments) > 1
    }
    return {choice: counts[choice] or MOST_PRODUCTS for choice in PRODUCT_CHOICES if choice in named}


def _parsed(source: str, place: str, part: str) -> BoundTemplate:
    return parsed(source, place, is_html=part == "html")


def _mail(form: MailForm, language: str, brand: Brand) -> Mapping[str, str]:
    source = mail_source(form, language, brand)
    return {"subject": form.subject, "text": text_source(form, language, brand), "html": _html(source, language)}


def _html(source: str, language: str) -> str:
    try:
        html: str = around_liquid(mjml.mjml2html, source)
    # The compiler says what is wrong with the layout as a ValueError.
    except ValueError as error:
        raise ContentRefused(f"{language}.email: the layout is broken: {error}") from error
    return html


def _text(text: str, _language: str, _brand: Brand) -> Mapping[str, str]:
    return {"text": text}


def _notification(form: PushForm, _language: str, _brand: Brand) -> Mapping[str, str]:
    data = {f"data.{name}": value for name, value in form.data.items()}
    return {"title": form.title, "body": form.body, **({"url": form.url} if form.url else {}), **data}


def _chat(form: ChatForm | TextChatForm, _language: str, _brand: Brand) -> Mapping[str, str]:
    if isinstance(form, TextChatForm):
        return {"text": form.text}
    values = {f"value.{number}": value for number, value in enumerate(form.values, 1)}
    return {**({"text": form.text} if form.text else {}), **values}


_OF_FORM: Mapping[Form, Callable[..., Mapping[str, str]]] = {
    "mail": _mail,
    "text": _text,
    "notification": _notification,
    "chat": _chat,
}
