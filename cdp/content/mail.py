"""The layout of e-mails: blocks in the brand's colours as MJML, and the same as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cdp.content.markdown import escaped, to_html, to_text
from cdp.content.model import Block, Brand, Button, Image, MailForm, Products, Text

_PRODUCTS_HTML = """{{% assign chosen = products.{choice} %}}{{% if chosen.size > {first} %}}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0">
{{% for product in chosen limit: {most} offset: {first} %}}<tr><td style="padding:8px 0">
{{% if product.image_url %}}<img src="{{{{ product.image_url }}}}" alt="" width="64"
style="vertical-align:middle;margin-right:12px" />{{% endif %}}{{% if product.url %}}
<a href="{{{{ product.url }}}}" style="color:{accent}">{{{{ product.name }}}}</a>
{{% else %}}{{{{ product.name }}}}{{% endif %}}{{% if product.price %}}
· {{{{ product.price }}}} {{{{ product.currency }}}}{{% endif %}}</td></tr>{{% endfor %}}</table>{{% endif %}}"""

_PRODUCTS_TEXT = (
    "{{% for product in products.{choice} limit: {most} offset: {first} %}}- {{{{ product.name }}}}"
    "{{% if product.price %}}, {{{{ product.price }}}} {{{{ product.currency }}}}{{% endif %}}"
    "{{% if product.url %}} ({{{{ product.url }}}}){{% endif %}}\n{{% endfor %}}"
)

_UNSUBSCRIBE_HTML = '{{% if unsubscribe_url %}}<p><a href="{{{{ unsubscribe_url }}}}">{words}</a></p>{{% endif %}}'
_UNSUBSCRIBE_TEXT = "{{% if unsubscribe_url %}}{words}: {{{{ unsubscribe_url }}}}{{% endif %}}"


def mail_source(form: MailForm, language: str, brand: Brand) -> str:
    """The MJML of an e-mail, with its Liquid."""
    colours = brand.colours
    preview = f"<mj-preview>{escaped(form.preheader)}</mj-preview>" if form.preheader else ""
    logo = f'<mj-image src="{escaped(brand.logo)}" alt="{escaped(brand.name)}" width="160px" />' if brand.logo else ""
    return f"""<mjml lang="{language}"><mj-head><mj-title>{escaped(form.subject)}</mj-title>{preview}
<mj-attributes><mj-all font-family="Helvetica, Arial, sans-serif" />
<mj-text font-size="16px" line-height="1.5" color="{colours.text}" />
<mj-button background-color="{colours.accent}" color="{colours.on_accent}" font-size="16px" border-radius="4px"
  inner-padding="14px 25px" />
</mj-attributes></mj-head><mj-body background-color="{colours.background}">
<mj-section background-color="{colours.surface}"><mj-column>{logo}{"".join(_mjml(form.blocks, brand))}</mj-column>
</mj-section><mj-section><mj-column><mj-text font-size="13px" line-height="1.4">
{_footer_html(language, brand)}</mj-text></mj-column></mj-section></mj-body></mjml>"""


def text_source(form: MailForm, language: str, brand: Brand) -> str:
    """The plain text of an e-mail, with its Liquid."""
    unsubscribe = _UNSUBSCRIBE_TEXT.format(words=_unsubscribe_words(language, brand))
    footer = "\n".join([brand.name, *brand.legal, unsubscribe])
    return "\n\n".join([*_texts(form.blocks), f"--\n{footer}"])


def _mjml(blocks: tuple[Block, ...], brand: Brand) -> Iterator[str]:
    for block, first in _with_first(blocks):
        match block:
            case Text():
                yield f"<mj-text>{to_html(block.text)}</mj-text>"
            case Button():
                yield f'<mj-button href="{escaped(block.url)}">{escaped(block.button)}</mj-button>'
            case Image():
                yield f'<mj-image src="{escaped(block.image)}" alt="{escaped(block.alt)}" />'
            case Products():
                accent = brand.colours.accent
                html = _PRODUCTS_HTML.format(choice=block.products, most=block.most, first=first, accent=accent)
                yield f"<mj-text>{html}</mj-text>"


def _texts(blocks: tuple[Block, ...]) -> Iterator[str]:
    for block, first in _with_first(blocks):
        match block:
            case Text():
                yield to_text(block.text)
            case Button():
                yield f"{block.button}: {block.url}"
            case Image():
                yield f"[{block.alt}]"
            case Products():
                yield _PRODUCTS_TEXT.format(choice=block.products, most=block.most, first=first)


def _with_first(blocks: tuple[Block, ...]) -> Iterator[tuple[Block, int]]:
    """Each block, and how many products of its choice the blocks before it show."""
    shown = Counter[str]()
    for block in blocks:
        if isinstance(block, Products):
            yield block, shown[block.products]
            shown[block.products] += block.most
        else:
            yield block, 0


def _footer_html(language: str, brand: Brand) -> str:
    lines = "<br />".join(escaped(line) for line in (brand.name, *brand.legal))
    return f"<p>{lines}</p>{_UNSUBSCRIBE_HTML.format(words=escaped(_unsubscribe_words(language, brand)))}"


def _unsubscribe_words(language: str, brand: Brand) -> str:
    by_language = brand.unsubscribe
    return by_language.get(language) or by_language.get(language.partition("-")[0]) or next(iter(by_language.values()))
