"""The words with which people stop text messages and have them again, as providers of text messages know them."""

from __future__ import annotations

# SQL lists, for upper-case texts. Whole messages count, not words in them.
STOP_WORDS = "('STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'REVOKE')"
START_WORDS = "('START', 'YES', 'UNSTOP')"
