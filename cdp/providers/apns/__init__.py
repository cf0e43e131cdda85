"""Apple Push Notification service: push."""
