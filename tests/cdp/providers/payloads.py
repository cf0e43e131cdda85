"""Payloads of the providers: the shipped sample, and third-party files, if they are on this machine."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.cdp.mapping import SOURCES

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = ROOT.parent / "shared" / "data" / "providers"
SAMPLE = ROOT / "data" / "sample"


def foreign_text(name: str) -> str:
    """A third-party file; the test is skipped if it is not on this machine."""
    if not FOREIGN.exists():
        pytest.skip("the providers' payloads are not on this machine")
    return (FOREIGN / name).read_text()


def foreign_items(source: str) -> list[Any]:
    match source:
        case "segment":
            return [json.loads(line) for line in foreign_text("tracking_events.jsonl").splitlines()]
        case "whatsapp":
            files = json.loads(foreign_text("whatsapp_webhooks.json"))
            return [found for bodies in files.values() for found in bodies.values()]
        case "shopify":
            documents = json.loads(foreign_text("shopify.json")).values()
            return [item for document in documents for item in opened("shopify", document)]
        case _:
            requests = [json.loads(line) for line in foreign_text("email_webhook_requests.jsonl").splitlines()]
            return [
                event
                for request in requests
                if request["provider"].removeprefix("amazon_") == source
                and request["content_type"].startswith(("application/json", "text/plain"))
                for event in opened(source, json.loads(request["body"]))
            ]


def opened(source: str, document: Any) -> list[Any]:
    """The items of a document: the elements of a list, or of a wrapped list."""
    if isinstance(document, list):
        return document
    wrapped = [document[key] for key in SOURCES[source].lists if isinstance(document.get(key), list)]
    return wrapped[0] if wrapped else [document]


def sample_files() -> list[Path]:
    known = (".csv", ".json", ".jsonl.gz", ".jsonl")
    return [path for path in sorted(SAMPLE.glob("*-0001*")) if path.name.endswith(known)]


def sample_items(path: Path) -> Iterator[Any]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    if ".csv" in path.name:
        yield from pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=True).to_dicts()
    elif ".jsonl" in path.name:
        for line in text.splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            yield from found if isinstance(found, list) else [found]
    else:
        yield from opened(path.name.split("_")[0], json.loads(text))
