"""The products in messages: those of many messages with a fixed number of statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cdp.content.compiled import Compiled
from cdp.content.rendering import Inline, products_in
from cdp.people.reading import Person
from cdp.products.choosing import Shown, choose
from cdp.products.reading import read_catalogue
from cdp.store import Connection


class Showing(NamedTuple):
    """A message to a person on a channel."""

    person: Person
    content: Compiled | Inline | None
    channel: str


def products_for(connection: Connection, messages: Iterable[Showing]) -> list[Mapping[str, Sequence[Shown]]]:
    """The products that each message shows, by the choice of a block; nothing is read if none shows any."""
    found = [(one, products_in(one.content, one.channel, one.person.document["traits"])) for one in messages]
    catalogue = read_catalogue(connection, [one.person for one, blocks in found if blocks])
    return [choose(one.person.document, one.person.live, catalogue, blocks) for one, blocks in found]
