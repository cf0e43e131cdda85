"""What holds for every sender over HTTP: the two ledgers agree, and nothing is called surely not taken that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from cdp.delivery import Accepted, Dispatch, InDoubt, Outcome, Refused, Retry, Sender
from tests.delivery.fakes import Fault, Providers, Reply


@dataclass(frozen=True)
class Case:
    """A provider, how it is configured at its fake, and a message for it.

    has_our_id: whether our id of the message travels to the provider.
    """

    provider: str
    sender: Sender
    settings: Mapping[str, str]
    message: Dispatch
    has_our_id: bool = True


def sent(case: Case, providers: Providers, *faults: Fault, **settings: str) -> Outcome:
    """What becomes of the message while the fake has these faults."""
    providers.faults = list(faults)
    defaults = {one.name: one.default for one in case.sender.settings if one.default is not None}
    told = {**defaults, "base_url": providers.url_of(case.provider), **case.settings, **settings}
    with case.sender.opened(told) as transport:
        return transport.send(case.message)


def check(case: Case, providers: Providers) -> None:
    """Accepted, lost, refused and throttled messages are told apart, as the fake's ledger has them."""
    assert isinstance(sent(case, providers), Accepted)
    [taken] = providers.taken
    assert (taken.message_id, taken.address) == (case.message.message_id * case.has_our_id, case.message.address)
    for fault in (
        Fault("take_and_drop"),
        Fault("drop"),
        Fault("take_and_reply", Reply(500)),
        Fault("reply", Reply(502)),
    ):
        assert isinstance(sent(case, providers, fault), InDoubt), fault
    slow_down = Fault("reply", Reply(429, headers={"Retry-After": "17"}))
    throttled = sent(case, providers, slow_down)
    assert isinstance(throttled, Retry) and throttled.after == timedelta(seconds=17)
    assert isinstance(sent(case, providers, Fault("reply", Reply(503))), Retry)
    assert isinstance(sent(case, providers, base_url="http://127.0.0.1:9"), Retry)
    assert isinstance(sent(case, providers, Fault("reply", Reply(400, {}))), Refused)
    # Those taken before the fault, and no others.
    assert len(providers.taken) == 3
