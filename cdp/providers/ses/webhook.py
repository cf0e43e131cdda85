"""Amazon SES publishes its events to SNS topics, and SNS signs them with its own certificates."""

from __future__ import annotations

from cdp.webhooks import Secret, Webhook, sns

WEBHOOK = Webhook(
    provider="ses",
    secrets=(Secret("topic_arns", "the ARNs of the accepted SNS topics, comma-separated"),),
    verify=sns.verify,
    items=sns.items,
    certificate_url=sns.certificate_url,
    confirm_url=sns.confirm_url,
)
