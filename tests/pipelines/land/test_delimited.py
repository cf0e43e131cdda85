"""Delimited text: where each record begins, and what it says."""

from __future__ import annotations

import csv
import json
from io import StringIO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.land.delimited import Dialect, dialect_of, join_lines, records

ABC = Dialect(",", ("a", "b", "c"))


def numbered(text: str, first: int = 2) -> pl.DataFrame:
    lines = text.split("\n")
    return pl.DataFrame(
        {"line_number": range(first, first + len(lines)), "text": lines, "is_utf8": [True] * len(lines)},
        schema={"line_number": pl.Int64, "text": pl.String, "is_utf8": pl.Boolean},
    )


def read(text: str, dialect: Dialect = ABC) -> list[tuple[object, ...]]:
    joined, carried = join_lines(numbered(text), dialect.delimiter, is_last=True)
    assert carried.is_empty()
    rows = records(joined, dialect)
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
        ('1,"x"y,z\n2,p,q', [(2, "a quote is out of place"), (3, ("2", "p", "q"))]),
        # A quote that is never closed costs its own line, not the rest of the file.
        ('1,"x,y\n2,p,q\n3,r,s', [(2, "a quote is out of place"), (3, ("2", "p", "q")), (4, ("3", "r", "s"))]),
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
    joined, carried = join_lines(numbered('1,x,y\n2,"p\nq'), ",", is_last=False)
    assert joined["text"].to_list() == ["1,x,y"]
    assert carried["line_number"].to_list() == [3, 4]
    joined, carried = join_lines(pl.concat([carried, numbered('r",z', 5)]), ",", is_last=True)
    assert joined.select("line_number", "text").rows() == [(3, '2,"p\nq\nr",z')]


# What a line may hold; lone carriage returns are not told from line ends by anybody.
CELLS = st.text(st.sampled_from('ab ,;"\n\t|é'), max_size=6)


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3).filter(any), min_size=1, max_size=8))
def test_what_python_writes_is_read_back_with_its_lines(rows: list[list[str]]) -> None:
    written = StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    expected, line = [], 2
    for row in rows:
        writer.writerow(row)
        expected.append((line, tuple(cell or None for cell in row)))
        line = 2 + written.getvalue().count("\n")
    assert read(written.getvalue()) == expected
