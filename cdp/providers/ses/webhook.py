"""Amazon SES publishes its events to topics of SNS, which signs them with certificates of its own."""

from __future__ import annotations

from cdp.webhooks import Webhook, sns

WEBHOOK = Webhook(
    provider="ses",
    secrets=("topic_arns",),
    verify=sns.verify,
    items=sns.items,
    certificate_url=sns.certificate_url,
    confirm_url=sns.confirm_url,
)
