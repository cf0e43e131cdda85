"""Lists of junk and generic values: the shipped list is valid, and a user's list is validated."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.settings import Settings
from identity.patterns import COLUMNS, load_patterns
from tests.identity.observations import PATTERNS

HEADER = ",".join(COLUMNS) + "\n"


def list_of(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "values.csv"
    path.write_text(content)
    return path


def test_the_shipped_list_is_read() -> None:
    assert load_patterns(*Settings().identifier_value_lists).rows() == PATTERNS.rows()


def test_a_users_list_is_added_to_the_shipped_one(tmp_path: Path) -> None:
    own = list_of(tmp_path, HEADER + 'email,"till\\d{1,2}@shop\\.example",junk,the till\n\n')
    lists = Settings(identifier_values=own).identifier_value_lists
    rows = load_patterns(*lists).rows()
    assert rows == [*PATTERNS.rows(), ("email", r"till\d{1,2}@shop\.example", "junk", "the till")]


@pytest.mark.parametrize(
    ("content", "where", "problem"),
    [
        ("", ":1", "the columns must be"),
        ("pattern,type\n", ":1", "the columns must be"),
        (HEADER + "email,x@y,junk\n", ":2", "3 values"),
        (HEADER + "email,x@y,junk,why\nfax,1,junk,why\n", ":3", "unknown type 'fax'"),
        (HEADER + "email,x@y,bad,why\n", ":2", "unknown quality 'bad'"),
        (HEADER + "email,,junk,why\n", ":2", "pattern and reason are required"),
        (HEADER + "email,(x,junk,why\n", ":2", "invalid RE2 regular expression"),
        (HEADER + "email,(?=x)y,junk,why\n", ":2", "invalid RE2 regular expression"),
    ],
)
def test_a_bad_list_names_the_line(tmp_path: Path, content: str, where: str, problem: str) -> None:
    path = list_of(tmp_path, content)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_patterns(path)
    assert caught.value.where == f"{path}{where}"


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the list"):
        load_patterns(tmp_path / "none.csv")
