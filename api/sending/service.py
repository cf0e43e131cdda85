"""Where messages are accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.once import OnceService
from api.people.identifiers import normalised_each
from api.schemas import Identifier
from api.sending.schemas import Malformed, MessageRequest
from cdp.content.compiled import Compiled
from cdp.content.rendering import Inline
from cdp.decision import Decision
from cdp.decision.log import logged, rehearse
from cdp.errors import CdpError, InputRefused
from cdp.idempotency import hash_of
from cdp.idempotency.calls import Answers, Operation
from cdp.sending.accepting import Asking, Wanted, accept, as_accepted, asking, purpose_of, topic_of
from cdp.sending.messages import Message, messages_of
from cdp.sending.tools import Tools
from cdp.store import Connection, Store


@dataclass(frozen=True)
class Accepted:
    """A message that was accepted or refused by a gate, with the decision on it."""

    message: Message
    decision: Decision


@dataclass(frozen=True)
class Invalid:
    """What is wrong with a request; nothing of it was written."""

    status: int
    code: str
    what: str
    field: str | None = None

    def error(self) -> CdpError:
        """It as an error."""
        found = InputRefused(self.what)
        found.http_status, found.code = self.status, self.code
        return found


Outcome = Accepted | Invalid
# In the ids of an idempotent request, one that begins so stands for what was wrong.
_INVALID = "!"


class MessageService:
    """Accepts messages; `clock` gives the current UTC time."""

    def __init__(self, store: Store, tools: Tools, default_region: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._tools = tools
        self._default_region = default_region
        self._clock = clock
        operation = Operation[Asking | Invalid, Outcome](self._accept, _recall, _id_of)
        self._once = OnceService[MessageRequest | Malformed, Asking | Invalid, Outcome](
            store, clock, self._asked, operation
        )

    async def send(
        self, client_id: str, requests: Sequence[MessageRequest | Malformed], key: str | None, operation: str
    ) -> Answers[Outcome]:
        """Accept messages, each for good or not at all: see `OnceService.ask`.

        Args:
            operation: what is asked, apart from the messages: another operation under a key is another request.

        Raises:
            KeyReused, Unavailable: as by `OnceService.ask`.
        """
        text = "\n".join(map(_text_of, requests)) if key else ""
        return await self._once.ask(client_id, requests, key, hash_of(operation, text) if key else "")

    def rehearse(self, client_id: str, request: MessageRequest) -> tuple[Asking, Decision]:
        """The decision that `send` would make now. Nothing is written.

        Raises:
            InputRefused: the request is wrong by itself.
        """
        now = self._clock()
        [asked] = self._asked([(client_id, request)], now)
        if isinstance(asked, Invalid):
            raise asked.error()
        with self._store.read() as connection:
            [decision] = rehearse(connection, [asked.asked], self._tools.policy, now)
        return asked, decision

    def close(self) -> None:
        """Answer who is waiting still."""
        self._once.close()

    def _asked(
        self, requests: Sequence[tuple[str, MessageRequest | Malformed]], now: datetime
    ) -> list[Asking | Invalid]:
        identifiers = normalised_each([_identifiers(one) for _, one in requests], self._default_region)
        return [
            Invalid(422, "invalid_request", one.what, one.field)
            if isinstance(one, Malformed)
            else self._asking(client_id, one, tuple(found), now)
            for (client_id, one), found in zip(requests, identifiers, strict=True)
        ]

    def _asking(
        self, client_id: str, request: MessageRequest, identifiers: tuple[tuple[str, str], ...], now: datetime
    ) -> Asking | Invalid:
        tools = self._tools
        try:
            content = request.content or tools.library.require(str(request.template))
            wanted = _wanted(client_id, request, content, identifiers)
            return asking(wanted, tools.library, tools.policy, tools.post.channels, now)
        except InputRefused as error:
            return Invalid(error.http_status, error.code, error.line())

    def _accept(self, connection: Connection, asked: Sequence[Asking | Invalid], now: datetime) -> Sequence[Outcome]:
        valid = [one for one in asked if isinstance(one, Asking)]
        accepted = iter(accept(connection, valid, self._tools.policy, now))
        return [one if isinstance(one, Invalid) else Accepted(*next(accepted)) for one in asked]


def _identifiers(request: MessageRequest | Malformed) -> Sequence[Identifier]:
    return () if isinstance(request, Malformed) else request.to.identifiers or ()


def _text_of(request: MessageRequest | Malformed) -> str:
    """A request in a canonical form."""
    return request.text if isinstance(request, Malformed) else request.model_dump_json()


def _wanted(
    client_id: str, request: MessageRequest, content: Compiled | Inline, identifiers: tuple[tuple[str, str], ...]
) -> Wanted:
    return Wanted(
        client_id=client_id,
        content=content,
        purpose=purpose_of(content, request.purpose),
        profile_id=request.to.profile_id,
        identifiers=identifiers,
        topic=topic_of(content, request.topic),
        data=request.data,
        channels=tuple(request.channels or ()),
        at=request.at,
        deadline=request.deadline,
        urgency=request.urgency,
        is_fallback_wanted=request.fallback,
        offer=request.offer,
        campaign=request.campaign,
    )


def _id_of(outcome: Outcome) -> str:
    if isinstance(outcome, Accepted):
        return outcome.message.message_id
    return _INVALID + json.dumps([outcome.status, outcome.code, outcome.what, outcome.field])


def _recall(connection: Connection, ids: Sequence[str]) -> Sequence[Outcome]:
    """The first answers: what has become of the messages since is not in them."""
    kept = [one for one in ids if not one.startswith(_INVALID)]
    found = messages_of(connection, kept)
    of_messages = logged(connection, [one.decision_id for one in found.values()])
    decisions = {one.decision.decision_id: one.decision for one in of_messages}
    return [
        Invalid(*json.loads(one[1:]))
        if one.startswith(_INVALID)
        else Accepted(as_accepted(found[one]), decisions[found[one].decision_id])
        for one in ids
    ]
