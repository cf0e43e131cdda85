"""Amazon SES publishes its events to topics of SNS, which signs them with certificates of its own."""

from __future__ import annotations

from cdp.webhooks import Secret, Webhook, sns

WEBHOOK = Webhook(
    provider="ses",
    secrets=(Secret("topic_arns", "the SNS topics that may call; parted by commas"),),
    verify=sns.verify,
    items=sns.items,
    certificate_url=sns.certificate_url,
    confirm_url=sns.confirm_url,
)
