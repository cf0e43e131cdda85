"""Segment's calls as Standard Webhooks: one call, a list of calls or a batch, each identified by its `messageId`.

A call without one is identified by its delivery, whose id is signed, and its place in it: the same call in another
delivery is another call.
"""

from __future__ import annotations

from cdp.webhooks import standard
from cdp.webhooks.payloads import by_id

WEBHOOK = standard.webhook(by_id("messageId", lists=("batch",), delivery_header=standard.ID))
