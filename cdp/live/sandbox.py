"""Plays the sandbox's receipts: they are received like any provider's, when their time has come."""

from __future__ import annotations

import json

from cdp.live.receive import LiveItem, Receiver
from cdp.sending.post import SANDBOX
from cdp.sending.sandbox import RECEIPT
from cdp.work import Batch, Kind


def receipts_kind(receiver: Receiver) -> Kind:
    """The work of playing receipts. A receipt that is played twice is the same one."""

    def play(batch: Batch) -> None:
        items = [LiveItem(json.loads(str(item.payload))["id"], str(item.payload)) for item in batch.items]
        receiver.receive(SANDBOX, items, batch.clock())

    return Kind(RECEIPT, play, batch_size=100)
