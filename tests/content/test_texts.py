from __future__ import annotations

import pytest

from cdp.content.texts import segments_of

# Counted by hand from 3GPP TS 23.038: the basic alphabet is one septet a character, its extension two.
TEXTS = (
    # text, encoding, segments
    ("", "GSM-7", 1),
    ("a" * 160, "GSM-7", 1),
    ("a" * 161, "GSM-7", 2),
    ("a" * 306, "GSM-7", 2),
    ("a" * 307, "GSM-7", 3),
    ("ä" * 160, "GSM-7", 1),
    ("€" * 80, "GSM-7", 1),
    ("€" * 81, "GSM-7", 2),
    # An escaped character is not cut in two: 152 + € does not fit into 153.
    ("a" * 152 + "€" + "a" * 151, "GSM-7", 2),
    ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),
    ("ç" * 71, "UCS-2", 2),
    ("Ç" * 160, "GSM-7", 1),
    ("ł" * 70, "UCS-2", 1),
    ("ł" * 71, "UCS-2", 2),
    ("ł" * 134, "UCS-2", 2),
    ("ł" * 135, "UCS-2", 3),
    # An emoji is two UTF-16 code units, and is not cut in two either: 33 of them fill 66 of 67.
    ("🎿" * 35, "UCS-2", 1),
    ("🎿" * 36, "UCS-2", 2),
    ("🎿" * 66, "UCS-2", 2),
    ("🎿" * 67, "UCS-2", 3),
    ("`quoted`", "UCS-2", 1),
    ("line\r\nline", "GSM-7", 1),
)


@pytest.mark.parametrize(("text", "encoding", "number"), TEXTS)
def test_segments(text: str, encoding: str, number: int) -> None:
    assert segments_of(text) == (encoding, number)
