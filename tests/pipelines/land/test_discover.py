"""Whose log a file is, and how it is laid out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdp.errors import CdpError, ConfigurationError, InputRefused
from pipelines.land.discover import discover
from pipelines.land.recognise import recognise
from tests.pipelines.runs import CONTACTS, CONTACTS_MAPPING, SOURCES, sendgrid, write_contacts

EVENTS = [sendgrid("open"), sendgrid("click")]
ORDER = {"id": 1, "order_number": 1001, "financial_status": "paid", "line_items": [], "total_price": "1.00"}
LINES = "\n".join(map(json.dumps, EVENTS)) + "\n"


def written(path: Path, content: str | bytes) -> Path:
    raw = content if isinstance(content, bytes) else content.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if path.name.lower().endswith(".gz") else raw)
    return path


def found(path: Path) -> tuple[str, str]:
    file = recognise(path, SOURCES)
    return file.source.name, file.layout


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("log.jsonl", LINES, ("sendgrid", "lines")),
        ("log.NDJSON", LINES, ("sendgrid", "lines")),
        ("log.json", LINES, ("sendgrid", "lines")),
        ("log.json", json.dumps(EVENTS[0]) + "\n", ("sendgrid", "lines")),
        ("log.json", json.dumps(EVENTS), ("sendgrid", "document")),
        ("log.json", json.dumps(EVENTS, indent=2), ("sendgrid", "document")),
        ("log.json", "[\n" + ",\n".join(map(json.dumps, EVENTS)) + "\n]", ("sendgrid", "document")),
        ("log.json", "\ufeff" + json.dumps(EVENTS), ("sendgrid", "document")),
        ("log.jsonl", "\ufeff" + LINES, ("sendgrid", "lines")),
        ("log.jsonl", "broken\n" + LINES, ("sendgrid", "lines")),
        ("log.json", '{"broken\n' + LINES, ("sendgrid", "lines")),
        ("log.jsonl", json.dumps(EVENTS), ("sendgrid", "lines")),
        ("api.json", json.dumps({"orders": [ORDER]}), ("shopify", "document")),
        ("api.json", json.dumps({"orders": [ORDER]}, indent=1), ("shopify", "document")),
        ("people.csv", CONTACTS.replace(",", ";"), ("contacts", "csv")),
        ("people.tsv", CONTACTS.replace(",", "\t"), ("contacts", "csv")),
        ("PEOPLE.CSV", "\ufeff" + CONTACTS, ("contacts", "csv")),
    ],
)
def test_layouts(tmp_path: Path, name: str, content: str, expected: tuple[str, str], suffix: str) -> None:
    assert found(written(tmp_path / f"{name}{suffix}", content)) == expected


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_header_may_span_lines(tmp_path: Path, line_end: str) -> None:
    file = recognise(written(tmp_path / "people.csv", f'{line_end}"Customer{line_end}id",Email{line_end}'), SOURCES)
    assert file.mapping is not None
    assert file.mapping.columns == {"customer_id": "Customer\nid", "email": "Email"}


def test_parquet_by_its_columns(tmp_path: Path) -> None:
    pl.DataFrame({"customer_id": ["1"], "email": ["a@b.example"]}).write_parquet(tmp_path / "people.parquet")
    assert found(tmp_path / "people.parquet") == ("contacts", "parquet")


def test_gzip_is_known_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    assert found(written(tmp_path / "log.jsonl", gzip.compress(LINES.encode()))) == ("sendgrid", "lines")


def test_a_first_record_of_any_size(tmp_path: Path) -> None:
    large = json.dumps({**EVENTS[0], "url": "x" * 400_000})
    assert found(written(tmp_path / "sendgrid.jsonl", f"{large}\n{LINES}")) == ("sendgrid", "lines")


def test_a_mapping_file_comes_before_the_name(tmp_path: Path) -> None:
    path = written(tmp_path / "sendgrid_people.csv", CONTACTS)
    (tmp_path / "x.mapping.yaml").write_text(CONTACTS_MAPPING.replace("people*.csv", "SendGrid*.csv"))
    file = recognise(path, SOURCES)
    assert (file.source.name, file.source_name, file.guessed) == ("contacts", "crm", False)


def test_a_mapping_serves_all_files_that_its_glob_names(tmp_path: Path) -> None:
    write_contacts(tmp_path)
    written(tmp_path / "people-2.CSV", CONTACTS)
    written(tmp_path / "other.csv", CONTACTS)
    files = {file.path.name: (file.source_name, file.guessed) for file in discover([str(tmp_path)], SOURCES)}
    assert files == {"people.csv": ("crm", False), "people-2.CSV": ("crm", False), "other.csv": ("other", True)}


def test_two_mappings_for_one_file_are_refused(tmp_path: Path) -> None:
    write_contacts(tmp_path)
    (tmp_path / "also.mapping.yaml").write_text(CONTACTS_MAPPING)
    with pytest.raises(ConfigurationError, match=r"two mapping files.*also\.mapping\.yaml and crm\.mapping\.yaml"):
        discover([str(tmp_path)], SOURCES)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with logs at two levels, and what lies beside logs."""
    for name in ("a/sendgrid_1.jsonl", "a/deep/sendgrid_2.jsonl.gz", "b/SENDGRID_3.JSONL", "a/.hidden.jsonl"):
        written(tmp_path / name, LINES)
    for name in ("a/truth.csv", "a/campaigns_truth.csv", "a/readme.md", "a/x.mapping.yaml"):
        written(tmp_path / name, CONTACTS_MAPPING)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["{}"], {"sendgrid_1.jsonl", "sendgrid_2.jsonl.gz", "SENDGRID_3.JSONL"}),
        (["{}/a/sendgrid_1.jsonl"], {"sendgrid_1.jsonl"}),
        (["{}/*"], {"sendgrid_1.jsonl", "sendgrid_2.jsonl.gz", "SENDGRID_3.JSONL"}),
        (["{}/a/*"], {"sendgrid_1.jsonl", "sendgrid_2.jsonl.gz"}),
        (["{}/**/*.gz"], {"sendgrid_2.jsonl.gz"}),
        (["{}/a", "{}/a/sendgrid_1.jsonl"], {"sendgrid_1.jsonl", "sendgrid_2.jsonl.gz"}),
        # As a shell expands a/*: with what lies beside the logs.
        (["{}/a/sendgrid_1.jsonl", "{}/a/truth.csv", "{}/a/x.mapping.yaml"], {"sendgrid_1.jsonl"}),
    ],
)
def test_files_folders_and_globs(logs: Path, inputs: list[str], expected: set[str]) -> None:
    files = discover([given.format(logs) for given in inputs], SOURCES)
    assert {file.path.name for file in files} == expected
    assert len(files) == len(expected)


def refusal(path: Path) -> CdpError:
    with pytest.raises(InputRefused) as caught:
        discover([str(path)], SOURCES)
    return caught.value


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.jsonl", b"", "the file is empty"),
        ("blank.csv", b" \n\n", "the file is empty"),
        ("empty.json.gz", b"", "the file is empty"),
        ("excel.csv", "id,email\n1,a@b.example\n".encode("utf-16"), "neither UTF-8 text nor Parquet"),
        ("twilio.csv", b"From,To,Status\n+1,+2,sent\n", "missing: Direction, SentDate, Sid"),
        ("odd.csv", b"colour,size\nred,1\n", "no source recognises this file (its fields: colour, size)"),
        ("odd.json", b'{"colour": "red"}', "no source recognises this file (its fields: colour)"),
        ("odd.json", b"[1, 2]", "no source recognises this file (its fields: none)"),
        ("bad.parquet", b"PAR1 and no more", "the Parquet file is damaged"),
        ("people.csv", b"id,email\r1,ann@shop.example\r", "the lines end with a carriage return only"),
    ],
)
def test_refusals_name_the_file_and_the_problem(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    error = refusal(written(tmp_path / name, content))
    assert says in error.line()
    assert name in error.line()
    assert error.exit_code == 4


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "sendgrid.jsonl.gz", LINES).read_bytes()
    (tmp_path / "sendgrid.jsonl.gz").write_bytes(whole[:-10])
    assert "truncated" in refusal(tmp_path / "sendgrid.jsonl.gz").line()
    (tmp_path / "sendgrid.jsonl.gz").write_bytes(whole[:12] + b"\xff\xff\xff" + whole[15:])
    assert "damaged" in refusal(tmp_path / "sendgrid.jsonl.gz").line()


def test_nothing_there(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.csv").line()
    assert "the folder has no log files" in refusal(tmp_path).line()


def test_a_folder_in_place_of_a_file_is_no_defect(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").mkdir()
    assert "the folder has no log files" in refusal(tmp_path).line()


def test_a_headerless_file_does_not_put_people_into_the_error(tmp_path: Path) -> None:
    line = refusal(written(tmp_path / "odd.csv", "ann@shop.example,+12025550101,red\n")).line()
    assert "ann@shop.example" not in line
    assert "2025550101" not in line
    assert "red" in line


def test_a_guess_is_marked_as_one(tmp_path: Path) -> None:
    file = recognise(written(tmp_path / "vips_2026-11.csv", "E-Mail,Vorname\na@b.example,Ann\n"), SOURCES)
    assert (file.guessed, file.source_name, file.source.name) == (True, "vips", "contacts")


def test_records_claim_by_the_most_keys(tmp_path: Path) -> None:
    def source_of(record: dict[str, Any]) -> str:
        return recognise(written(tmp_path / "log.jsonl", json.dumps(record) + "\n"), SOURCES).source.name

    assert source_of({"type": "track", "messageId": "1", "context": {}}) == "segment"
    assert source_of({"MessageSid": "SM1", "From": "+1", "To": "+2", "Body": "hi"}) == "twilio"
    assert source_of({"object": "whatsapp_business_account", "entry": []}) == "whatsapp"
    assert source_of({"message_id": "1", "instance_id": "i", "event": "MESSAGE_OPENED", "event_timestamp": ""}) == "fcm"
