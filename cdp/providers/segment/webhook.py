"""Segment's calls as Standard Webhooks: one call, a list of calls or a batch, each identified by its `messageId`."""

from __future__ import annotations

from cdp.webhooks import standard
from cdp.webhooks.payloads import by_id

WEBHOOK = standard.webhook(by_id("messageId", lists=("batch",)))
