"""Delimited text: where each record begins, and what it says."""

from __future__ import annotations

import csv
import json
from io import StringIO

import polars as pl
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from pipelines.land.delimited import MAX_RECORD_LINES, Dialect, dialect_of, records

ABC = Dialect(",", ("a", "b", "c"))


def numbered(text: str, first: int = 2) -> pl.DataFrame:
    lines = text.split("\n")
    return pl.DataFrame(
        {"line_number": range(first, first + len(lines)), "text": lines, "is_utf8": [True] * len(lines)},
        schema={"line_number": pl.Int64, "text": pl.String, "is_utf8": pl.Boolean},
    )


def read(text: str, dialect: Dialect = ABC) -> list[tuple[object, ...]]:
    rows, carried = records(numbered(text), dialect, is_last=True)
    assert carried.is_empty()
    return [
        (row["line_number"], row["reject_detail"] or tuple(json.loads(row["payload"]).values()))
        for row in rows.iter_rows(named=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,x,y\n2,p,q", [(2, ("1", "x", "y")), (3, ("2", "p", "q"))]),
        ("1,x,y\n\n2,p,q\n", [(2, ("1", "x", "y")), (4, ("2", "p", "q"))]),
        ('1,"x\n\ny",z\n2,p,q', [(2, ("1", "x\n\ny", "z")), (5, ("2", "p", "q"))]),
        ('1,"x\ny","p\nq"\n2,p,q', [(2, ("1", "x\ny", "p\nq")), (5, ("2", "p", "q"))]),
        ('1,"say ""hi"", all",z', [(2, ("1", 'say "hi", all', "z"))]),
        ("1,,\n,,", [(2, ("1", None, None)), (3, (None, None, None))]),
        (',"",x', [(2, (None, None, "x"))]),
        ('1,5" pipe,6" pipe', [(2, ("1", '5" pipe', '6" pipe'))]),
        ('"1",5" pipe,z', [(2, ("1", '5" pipe', "z"))]),
        ("1,x\n2,p,q", [(2, "fewer fields than the header"), (3, ("2", "p", "q"))]),
        ("1,x,y,z\n2,p,q", [(2, "more fields than the header"), (3, ("2", "p", "q"))]),
        ('1,"x"y,z\n2,p,q', [(2, "a quote is misplaced"), (3, ("2", "p", "q"))]),
        # A broken record ends where its last quoted field does.
        ('1,"x"y,"p\nq"\n2,p,q', [(2, "a quote is misplaced"), (4, ("2", "p", "q"))]),
        ('1,5" pipe,"p\nq"\n2,p,q', [(2, ("1", '5" pipe', "p\nq")), (4, ("2", "p", "q"))]),
        ('1,x\ry,"p\rq"\n2,\r,\0', [(2, ("1", "x\ry", "p\rq")), (3, ("2", "\r", "\0"))]),
        # A quote that is never closed costs its own line, not the rest of the file.
        ('1,"x,y\n2,p,q\n3,r,s', [(2, "a quote is misplaced"), (3, ("2", "p", "q")), (4, ("3", "r", "s"))]),
    ],
)
def test_records_stand_on_the_line_they_begin_on(text: str, expected: list[tuple[object, ...]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(delimiter: str) -> None:
    dialect = dialect_of(delimiter.join(["id", '"first name"', "e-mail"]))
    assert dialect == Dialect(delimiter, ("id", "first name", "e-mail"))
    assert read(delimiter.join(["1", f'"a{delimiter}b"', ""]), dialect) == [(2, ("1", f"a{delimiter}b", None))]


def test_names_are_made_distinct() -> None:
    assert dialect_of("a,, a ,a_1").names == ("a", "column1", "a_1", "a_1_1")


def test_a_record_that_goes_on_in_the_next_block_is_carried_over() -> None:
    rows, carried = records(numbered('1,x,y\n2,"p\nq'), ABC, is_last=False)
    assert rows["line_number"].to_list() == [2]
    assert carried["line_number"].to_list() == [3, 4]
    rows, carried = records(pl.concat([carried, numbered('r",z', 5)]), ABC, is_last=True)
    assert rows.select("line_number", "payload").rows() == [(3, '{"a":"2","b":"p\\nq\\nr","c":"z"}')]


def test_a_broken_record_is_one_reject_with_its_text() -> None:
    rows, _ = records(numbered('1,"x\ny",p,q\n2,p,q'), ABC, is_last=True)
    assert rows.rows()[0] == (2, '1,"x\ny",p,q', "broken_csv", "more fields than the header")


def test_bytes_that_are_not_utf_8_anywhere_in_a_record_refuse_it() -> None:
    lines = numbered('1,"x\n\ufffd",p\n2,"p",q').with_columns(is_utf8=pl.Series([True, False, True]))
    rows, _ = records(lines, ABC, is_last=True)
    assert rows.select("line_number", "reject_reason").rows() == [(2, "not_utf8"), (4, None)]


@pytest.mark.parametrize(("lines_between", "is_record"), [(MAX_RECORD_LINES - 2, True), (MAX_RECORD_LINES - 1, False)])
@pytest.mark.parametrize("closing", ['",z', '"z'])
def test_a_quote_that_is_closed_too_late_costs_its_own_line(lines_between: int, is_record: bool, closing: str) -> None:
    between = "\n".join(["1,2,3"] * lines_between)
    found = read(f'1,"x\n{between}\ny{closing}\n2,p,q')
    assert len(found) == (2 if is_record else 3 + lines_between)
    assert found[-1] == (4 + lines_between, ("2", "p", "q"))


def test_a_field_may_be_large() -> None:
    large = "x" * 1_000_000
    assert read(f'1,"{large}",{large}') == [(2, ("1", large, large))]


# What a line may hold; lone carriage returns are data, since lines are ended by line feeds.
CELLS = st.text(st.sampled_from('ab ,;"\n\t|é\r\0'), max_size=6).filter(lambda cell: "\r\n" not in f"{cell}\n")


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3).filter(any), min_size=1, max_size=8))
@pytest.mark.slow
def test_what_python_writes_is_read_back_with_its_lines(rows: list[list[str]]) -> None:
    written = StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    expected, line = [], 2
    for row in rows:
        writer.writerow(row)
        expected.append((line, tuple(cell or None for cell in row)))
        line = 2 + written.getvalue().count("\n")
    assert read(written.getvalue()) == expected


MANGLED = st.text(st.sampled_from('a,"\n'), max_size=40)


@given(text=MANGLED)
@pytest.mark.slow
def test_what_python_reads_is_read_alike(text: str) -> None:
    reader = csv.reader(StringIO(text, newline="\n"), strict=True)
    expected, line = [], 2
    try:
        for row in reader:
            if row:
                expected.append((line, len(row), row))
            line = 2 + reader.line_num
    except csv.Error:
        reject()  # nor does it say where the record ends
    problems = {1: "fewer fields than the header", 2: "fewer fields than the header"}
    assert read(text) == [
        (
            line,
            tuple(cell or None for cell in row) if count == 3 else problems.get(count, "more fields than the header"),
        )
        for line, count, row in expected
    ]


@given(text=MANGLED, cut=st.integers(0, 40))
@pytest.mark.slow
def test_where_a_block_ends_makes_no_difference(text: str, cut: int) -> None:
    lines = numbered(text)
    first, carried = records(lines[:cut], ABC, is_last=False)
    second, _ = records(pl.concat([carried, lines[cut:]]), ABC, is_last=True)
    assert pl.concat([first, second]).rows() == records(lines, ABC, is_last=True)[0].rows()
