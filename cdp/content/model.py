"""The forms that templates and the brand are written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    field_validator,
    model_validator,
)

from cdp.channels import CHATS, FORMS, Form
from cdp.content.titles import plain, title_of
from cdp.yaml_files import Place

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Liquid = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
ProductChoice = Literal["in_cart", "last_viewed", "bought_together", "in_season"]
_LONGEST_SCOPE = 200
# Of a choice, in one message.
MOST_PRODUCTS = 12
PRODUCT_CHOICES: tuple[ProductChoice, ...] = get_args(ProductChoice)


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Node):
    """Text in Markdown."""

    text: Liquid


class Button(_Node):
    """A button that opens a URL."""

    button: Liquid
    url: Liquid


class Image(_Node):
    """A picture; `alt` says what is on it."""

    image: Liquid
    alt: Liquid


class Products(_Node):
    """Products for the person, from the person's own events; the block is left out if there are none."""

    products: ProductChoice
    most: int = Field(3, ge=1, le=MOST_PRODUCTS)


Block = Text | Button | Image | Products


class MailForm(_Node):
    """An e-mail. preheader: what a mailbox shows beside the subject."""

    subject: Liquid
    preheader: Liquid | None = None
    blocks: tuple[Block, ...] = Field(min_length=1)


class PushForm(_Node):
    """A notification. url: what a tap opens."""

    title: Liquid
    body: Liquid
    url: Liquid | None = None
    data: Mapping[str, Liquid] = {}


class TextChatForm(_Node):
    """A message in a chat that takes nothing but text."""

    text: Liquid


class ChatForm(_Node):
    """A message in a chat: text while it is open, a template of its provider while it is closed, or both."""

    text: Liquid | None = None
    template: str | None = None
    language: str | None = None
    values: tuple[Liquid, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.text is None and self.template is None:
            raise ValueError("give a text, a template, or both")
        if self.template and not self.language:
            raise ValueError("a template needs its language")
        return self


class _Words(_Node):
    """What a template says in one language, by channel. A channel without words is not used."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that have words."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


# How the words of a channel are written, by its form.
_WRITTEN: Mapping[Form, Any] = {"mail": MailForm, "text": Liquid, "notification": PushForm, "chat": ChatForm}
_WITHOUT_TEMPLATES = {name: TextChatForm for name, chat in CHATS.items() if not chat.has_templates}

if TYPE_CHECKING:
    Words = _Words
else:
    # Type checkers do not support a model built at run time; Pydantic does.
    _BY_CHANNEL = {name: (_WITHOUT_TEMPLATES.get(name, _WRITTEN[form]) | None, None) for name, form in FORMS.items()}
    Words = create_model("Words", __base__=_Words, **_BY_CHANNEL)


class Need(_Node):
    """A value that the sender gives under `data`.

    example: for previews; text, or any other JSON value. Data have its shape: the items of a list are like one of the
    example's, an object has all that the example has, and nothing is empty.
    longest: the most characters that it has, as JSON if not text.
    """

    example: Any
    longest: int = Field(60, ge=1, le=2_000)


class Offer(_Node):
    """An offer: its terms for a scope, such as a product or `everything`, in force in a period.

    price: what the thing costs, with its currency. discount: a share of the price, from 0 to 1.
    starts_at, ends_at: written `from` and `until`; open if not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    scope: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_SCOPE)]
    price: Decimal | None = Field(None, ge=0, max_digits=18, decimal_places=2)
    discount: Decimal | None = Field(None, gt=0, le=1, max_digits=5, decimal_places=4)
    currency: Currency | None = None
    starts_at: datetime | None = Field(None, alias="from")
    ends_at: datetime | None = Field(None, alias="until")

    @model_validator(mode="after")
    def _has_terms(self) -> Self:
        if (self.price is None) == (self.discount is None):
            raise ValueError("give either a price or a discount")
        if (self.price is None) != (self.currency is None):
            raise ValueError("a price needs a currency, a discount has none")
        for moment in (self.starts_at, self.ends_at):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("times need a time zone, such as 2026-12-01T00:00:00Z")
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise ValueError("`from` must be before `until`")
        return self

    @field_validator("scope")
    @classmethod
    def _plain(cls, scope: str) -> str:
        """What looks the same is the same scope, so that a slip is not a second price."""
        same = plain(" ".join(plain(scope).split()).casefold())
        if not 0 < len(same) <= _LONGEST_SCOPE:
            raise ValueError(f"a scope has from 1 to {_LONGEST_SCOPE} characters that are seen")
        return same

    @property
    def terms(self) -> dict[str, str]:
        """What the person pays, each amount in one spelling."""
        price = {"price": f"{self.price:.2f}", "currency": str(self.currency)} if self.price is not None else {}
        return price or {"discount": f"{self.discount:.4f}".rstrip("0").rstrip(".")}

    @property
    def shown(self) -> dict[str, str]:
        """The offer as templates see it."""
        return shown(self.scope, self.terms, self.starts_at, self.ends_at)


def shown(scope: str, terms: Mapping[str, str], starts_at: datetime | None, ends_at: datetime | None) -> dict[str, str]:
    """An offer as templates see it: its period by the names that it is written with, open ends left out."""
    period = {"from": starts_at, "until": ends_at}
    return {"scope": scope, **terms, **{name: at.isoformat() for name, at in period.items() if at}}


class Template(_Node):
    """A template. `name` is that of its file. default_language: used for people whose language it lacks."""

    title: str
    purpose: Name | None = None
    topic: Name | None = None
    default_language: Language = "en"
    needs: Mapping[Name, Need] = {}
    offer: Offer | None = None
    languages: Mapping[Language, Words] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_its_default_language(self) -> Self:
        if self.default_language not in self.languages:
            raise ValueError(f"the default language {self.default_language} has no words")
        return self

    def words_for(self, language: str | None) -> tuple[str, Words]:
        """The words for a person's language, such as `de-CH`: in it, in `de`, or in the default language."""
        wanted = (language or "").replace("_", "-")
        for one in (wanted, wanted.partition("-")[0].lower()):
            if one in self.languages:
                return one, self.languages[one]
        return self.default_language, self.languages[self.default_language]


def texts_of(template: Template) -> Iterator[tuple[Place, str]]:
    """All texts of a template that people read, with their places."""
    for language, words in template.languages.items():
        for channel, form in words.model_dump(exclude_none=True).items():
            yield from _texts_in(form, ("languages", language, channel))


_NOT_READ = frozenset(("url", "image", "products", "template", "language"))


def _texts_in(form: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(form, str):
        yield place, form
    elif isinstance(form, Mapping):
        for name, value in form.items():
            if name not in _NOT_READ:
                yield from _texts_in(value, (*place, name))
    elif isinstance(form, (list, tuple)):
        for number, value in enumerate(form):
            yield from _texts_in(value, (*place, number))


class Colours(_Node):
    """The colours of e-mails."""

    background: Colour = "#f4f4f2"
    surface: Colour = "#ffffff"
    text: Colour = "#1f2328"
    accent: Colour = "#0b6e4f"
    on_accent: Colour = "#ffffff"


def _title(name: str) -> str:
    if title_of(name) != name:
        raise ValueError("it is one line, without characters that nobody sees")
    return name


class Brand(_Node):
    """One voice on every channel.

    name: the sender's name. logo: the URL of a picture. legal: lines at the end of every e-mail. opt_out: how to stop
    text messages, by language. avoid: words that no message uses. instead: words to use, by the word that is not used.
    """

    name: Annotated[str, AfterValidator(_title)] = Field(min_length=1, max_length=60)
    logo: str | None = None
    colours: Colours = Colours()
    legal: tuple[str, ...] = ()
    unsubscribe: Mapping[Language, str] = {"en": "Unsubscribe or change what you get"}
    opt_out: Mapping[Language, str] = {"en": "Reply STOP to opt out"}
    avoid: tuple[str, ...] = ()
    instead: Mapping[str, str] = {}
