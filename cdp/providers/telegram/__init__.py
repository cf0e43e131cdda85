"""Telegram: updates of a bot, and messages by it."""
