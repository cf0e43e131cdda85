"""Landing: every line comes through, with its number."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from cdp.errors import InputRefused
from cdp.warehouse import open_memory
from pipelines.land import rows as reading
from pipelines.land.inputs import digest, file_id_of
from pipelines.land.landed import LandedFile, in_force, landed_files
from pipelines.land.recognise import recognise
from tests.pipelines.runs import (
    CONTACTS_MAPPING,
    NOW,
    SOURCES,
    land_file,
    sendgrid,
    write_contacts,
    write_lines,
)


def landed(path: Path) -> LandedFile:
    return land_file(open_memory(), path, path.parent / "landing")


def rows(path: Path) -> list[tuple[int, str, str | None]]:
    """line_number, payload, reject_reason."""
    return pl.read_parquet(landed(path).parquet, glob=False).select("line_number", "payload", "reject_reason").rows()


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a":1}\n{"a":2}\n', [(1, '{"a":1}', None), (2, '{"a":2}', None)]),
        ('{"a":1}\n{"a":2}', [(1, '{"a":1}', None), (2, '{"a":2}', None)]),
        ('\n{"a":1}\n\n \n{"a":2}\n\n', [(2, '{"a":1}', None), (5, '{"a":2}', None)]),
        ('{"a":1}\r\n\r\n{"a":2}\r\n', [(1, '{"a":1}', None), (3, '{"a":2}', None)]),
        ('\ufeff{"a":1}\n', [(1, '{"a":1}', None)]),
        ('{"a":1}\n{"a":\n{"a":2}\n', [(1, '{"a":1}', None), (2, '{"a":', "broken_json"), (3, '{"a":2}', None)]),
        ('{"a":"\x00"}\n{"a":2}\n', [(1, '{"a":"\x00"}', "broken_json"), (2, '{"a":2}', None)]),
        ('{"a":"\u2028\x85\x0b"}\n', [(1, '{"a":"\u2028\x85\x0b"}', "broken_json")]),
        ('{"a":"\u2028\x85"}\n', [(1, '{"a":"\u2028\x85"}', None)]),
        (
            b'{"a":1}\n{"a":"\xff"}\n{"a":3}\n',
            [(1, '{"a":1}', None), (2, '{"a":"\ufffd"}', "not_utf8"), (3, '{"a":3}', None)],
        ),
        # A replacement character that somebody wrote is text like any other, whatever its neighbours are.
        (b'{"a":"\xef\xbf\xbd"}\n\xff\n', [(1, '{"a":"\ufffd"}', None), (2, "\ufffd", "not_utf8")]),
    ],
)
def test_json_lines(tmp_path: Path, content: str | bytes, expected: list[tuple[int, str, str | None]]) -> None:
    assert rows(written(tmp_path / "sendgrid.jsonl", content)) == expected
    assert rows(
        written(tmp_path / "sendgrid-2.jsonl.gz", gzip.compress((tmp_path / "sendgrid.jsonl").read_bytes()))
    ) == (expected)


def test_line_numbers_do_not_depend_on_the_blocks_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50)
    lines = ["" if number % 7 == 0 else json.dumps({"n": number}) for number in range(1, 200)]
    found = rows(written(tmp_path / "sendgrid.jsonl", "\n".join(lines)))
    assert [(number, json.loads(payload)["n"]) for number, payload, _ in found] == [
        (number, number) for number in range(1, 200) if number % 7
    ]


def test_quoted_line_breaks_do_not_depend_on_the_blocks_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50)
    write_contacts(tmp_path, 'id,"fi\nrst",email\n' + '1,"a\n\nb",x@shop.example\n\n' * 30)
    found = rows(tmp_path / "people.csv")
    assert [number for number, _, _ in found] == [3 + 4 * record for record in range(30)]
    assert {payload for _, payload, _ in found} == {'{"id":"1","fi\\nrst":"a\\n\\nb","email":"x@shop.example"}'}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csv_with_blank_broken_and_long_records(tmp_path: Path, line_end: str) -> None:
    text = 'id,first,email\n1,"A\nB",a@shop.example\n\n2,Ben\n3,Cat,c@shop.example\n4,D,d@shop.example,x\n5,E,"é;ü"'
    write_contacts(tmp_path, text.replace("\n", line_end))
    assert rows(tmp_path / "people.csv") == [
        (2, '{"id":"1","first":"A\\nB","email":"a@shop.example"}', None),
        (5, "2,Ben", "broken_csv"),
        (6, '{"id":"3","first":"Cat","email":"c@shop.example"}', None),
        (7, "4,D,d@shop.example,x", "broken_csv"),
        (8, '{"id":"5","first":"E","email":"é;ü"}', None),
    ]


def test_csv_in_another_encoding_is_refused_by_the_line(tmp_path: Path) -> None:
    write_contacts(tmp_path)
    written(tmp_path / "people.csv", "id,first,email\n1,Zoë,z@shop.example\n2,Ann,a@shop.example\n".encode("latin-1"))
    assert [(number, reason) for number, _, reason in rows(tmp_path / "people.csv")] == [(2, "not_utf8"), (3, None)]


def test_csv_paths_and_names_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1] *"
    write_contacts(folder, "id,first;,email\n1,Ann,a@shop.example\n")
    assert rows(folder / "people.csv") == [(2, '{"id":"1","first;":"Ann","email":"a@shop.example"}', None)]


def test_csv_with_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    write_contacts(tmp_path, "id,first,email\n")
    assert rows(tmp_path / "people.csv") == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("sendgrid.json", '[{"a": 1},\n {"a": [2]}]', [(1, '{"a":1}', None), (2, '{"a":[2]}', None)]),
        ("shopify.json", '{"orders": [{"id": 1}, {"id": 2}]}', [(1, '{"id":1}', None), (2, '{"id":2}', None)]),
        ("shopify.json", '{\n"id": 1}', [(1, '{\n"id": 1}', None)]),
        ("sendgrid.json", "[]", []),
    ],
)
def test_documents(tmp_path: Path, name: str, content: str, expected: list[tuple[int, str, str | None]]) -> None:
    assert rows(written(tmp_path / name, content)) == expected


@pytest.mark.parametrize("content", ['[{"email": "ann@shop.example" oops', b'[{"email": "ann@shop.example\xff"}]'])
def test_a_broken_document_is_refused_without_showing_people(tmp_path: Path, content: str | bytes) -> None:
    path = written(tmp_path / "sendgrid.json", content)
    with pytest.raises(InputRefused, match=r"sendgrid\.json: the document is not (JSON|UTF-8)") as caught:
        landed(path)
    assert "shop.example" not in caught.value.line()


def test_parquet_rows_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PARQUET_ROWS", 7)
    people = pl.DataFrame({"customer_id": range(1, 31), "email": [f"p{n}@shop.example" for n in range(1, 31)]})
    people.with_columns(seen=NOW, sizes=[1, 2]).write_parquet(tmp_path / "people.parquet")
    found = rows(tmp_path / "people.parquet")
    assert [(number, json.loads(payload)["customer_id"]) for number, payload, _ in found] == [
        (number, number) for number in range(1, 31)
    ]
    assert json.loads(found[0][1]) == {
        "customer_id": 1,
        "email": "p1@shop.example",
        "seen": "2026-11-20 12:00:00+00",
        "sizes": [1, 2],
    }


def test_a_parquet_file_that_is_damaged_inside_is_refused(tmp_path: Path) -> None:
    people = pl.DataFrame({"customer_id": [str(n * 7919) for n in range(20_000)], "email": ["a@shop.example"] * 20_000})
    people.write_parquet(tmp_path / "people.parquet", compression="zstd")
    raw = bytearray((tmp_path / "people.parquet").read_bytes())
    raw[1000:3000] = b"\xff" * 2000
    path = written(tmp_path / "people.parquet", bytes(raw))
    with pytest.raises(InputRefused, match=r"people\.parquet"):
        landed(path)


def test_a_gzip_that_breaks_off_after_its_beginning_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(json.dumps(sendgrid("open", key=str(n * 7919))) for n in range(50_000)).encode())
    path = written(tmp_path / "sendgrid.jsonl.gz", whole[: len(whole) // 2])
    with pytest.raises(InputRefused, match="truncated"):
        landed(path)


def test_a_huge_line_lands_and_an_endless_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1024)
    large = json.dumps({"a": "x" * 100_000})
    assert rows(written(tmp_path / "sendgrid.jsonl", f'{{"a":1}}\n{large}\n{{"a":2}}\n')) == [
        (1, '{"a":1}', None), (2, large, None), (3, '{"a":2}', None),
    ]  # fmt: skip
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 50_000)
    with pytest.raises(InputRefused, match=r"sendgrid\.jsonl:2: a line is longer"):
        landed(tmp_path / "sendgrid.jsonl")


def file_id(path: Path) -> str:
    return file_id_of(recognise(path, SOURCES), digest(path))


def test_a_file_is_known_by_source_content_and_mapping_not_by_its_name(tmp_path: Path) -> None:
    one = file_id(write_lines(tmp_path / "sendgrid-1.jsonl", [sendgrid("open")]))
    assert one == file_id(write_lines(tmp_path / "sendgrid-2.jsonl", [sendgrid("open")]))
    assert one != file_id(write_lines(tmp_path / "sendgrid-3.jsonl", [sendgrid("click")]))
    crm = file_id(write_contacts(tmp_path))
    (tmp_path / "crm.mapping.yaml").write_text(CONTACTS_MAPPING.replace("people*", "peop*"))
    assert file_id(tmp_path / "people.csv") == crm
    (tmp_path / "crm.mapping.yaml").write_text(CONTACTS_MAPPING.replace("phone: phone", "city: phone"))
    assert file_id(tmp_path / "people.csv") != crm


def test_the_landed_file_says_all_about_itself(tmp_path: Path) -> None:
    path = write_contacts(tmp_path)
    made = land_file(open_memory(), path, tmp_path / "landing", at=NOW)
    again = landed_files(tmp_path / "landing")
    assert again == [made]
    assert (made.source, made.format, made.path) == ("crm", "contacts", path.as_posix())
    assert (made.landed_at, made.byte_count, made.sha256) == (NOW, path.stat().st_size, digest(path))
    assert made.mapping == recognise(path, SOURCES).mapping


def test_of_the_same_content_the_last_landing_is_in_force(tmp_path: Path) -> None:
    warehouse = open_memory()
    other = land_file(warehouse, write_lines(tmp_path / "sendgrid.jsonl", [sendgrid("open")]), tmp_path / "landing")
    old = land_file(warehouse, write_contacts(tmp_path), tmp_path / "landing")
    (tmp_path / "crm.mapping.yaml").write_text(CONTACTS_MAPPING.replace("phone: phone", "city: phone"))
    new = land_file(warehouse, tmp_path / "people.csv", tmp_path / "landing", at=NOW + timedelta(hours=1))
    assert {file.file_id for file in in_force([new, old, other])} == {other.file_id, new.file_id}
