"""What a message says of its person: for dispatch and for previews alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cdp.consent.links import Unsubscribe
from cdp.content.rendering import Values
from cdp.people.chats import chats_open_until
from cdp.people.reading import Person
from cdp.products.choosing import Shown


def values_for(
    person: Person,
    channel: str,
    data: Mapping[str, Any],
    offer: Mapping[str, Any],
    products: Mapping[str, Sequence[Shown]],
    unsubscribe: Unsubscribe | None,
    now: datetime,
) -> Values:
    """The values of a message on a channel.

    Args:
        data: what the sender gave. offer: the terms in force for the person. products: by the choice of a block.
        unsubscribe: what a message that needs consent carries.
    """
    return Values(
        person=person.document["traits"],
        data=data,
        offer=offer,
        products=products,
        unsubscribe_url=unsubscribe.url if unsubscribe else None,
        headers=unsubscribe.headers if unsubscribe else {},
        is_chat_open=channel in chats_open_until(person.document, person.live, now),
    )
