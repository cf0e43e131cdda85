"""Small logs with known contents, in the providers' real formats."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any


def mail(number: int, event: str = "delivered", **fields: Any) -> dict[str, Any]:
    """A SendGrid event; without an address if `email` is None."""
    item = {
        "email": f"person{number % 5}@example.com",
        "timestamp": 1_780_000_000 + number,
        "event": event,
        "sg_event_id": f"event-{number}",
        "sg_message_id": f"message-{number}.filter",
        **fields,
    }
    return {name: value for name, value in item.items() if value is not None}


def jsonl(path: Path, items: list[dict[str, Any]], *, broken_line: int | None = None) -> Path:
    """Write a line an item; `broken_line` (from 1) is cut off in the middle."""
    lines = [json.dumps(item) for item in items]
    if broken_line:
        lines[broken_line - 1] = lines[broken_line - 1][:20]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def good_log(folder: Path, name: str = "sendgrid.jsonl", first: int = 0, count: int = 10) -> Path:
    return jsonl(folder / name, [mail(number) for number in range(first, first + count)])


def truncated_gzip(path: Path) -> Path:
    """A gzip file whose transfer broke off."""
    whole = gzip.compress("\n".join(json.dumps(mail(number)) for number in range(2_000)).encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole[: len(whole) // 2])
    return path
