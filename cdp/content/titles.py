"""Titles: what people see of a message before they open it, the subject of a mail and the title of a notification.

A title is one line that reads as it is written. Characters that reorder what is beside them, or that nobody sees, are
taken out of it, because its values may come from anybody: a message must not be lost for a name that was pasted with
one. Kept are those that spell languages, joiners (Persian, Indic scripts, emoji) and the marks of direction, which move
no more than a letter of Arabic or Hebrew would.
"""

from __future__ import annotations

import re
import unicodedata

# Controls but white space; the soft hyphen; spaces without width; embeddings, overrides and isolates of direction;
# joiners and operators without shape; fillers of Hangul; annotations, musical formats and tags.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_UNSEEN = "\u034f\u115f\u1160"
_NOTHING_VISIBLE = re.compile("[\\s\u200c-\u200f\u061c]*")


def title_of(text: str) -> str:
    """A text as a title; empty if there is nothing to see."""
    line = " ".join(INVISIBLE.sub("", text).split())
    return "" if _NOTHING_VISIBLE.fullmatch(line) else line


def plain(text: str) -> str:
    """A text in the characters that it looks like: full-width letters are letters, and what nobody sees is left out."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", INVISIBLE.sub("", text)) if not _is_unseen(one))
    return unicodedata.normalize("NFKC", seen)


def _is_unseen(character: str) -> bool:
    """Controls and formats but white space, selectors of variants, the grapheme joiner, and fillers of Hangul."""
    is_control = unicodedata.category(character) in ("Cc", "Cf") and not character.isspace()
    return is_control or character in _UNSEEN or "\ufe00" <= character <= "\ufe0f"
