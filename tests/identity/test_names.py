"""Names that may belong to one person: the SQL and Python versions of the rule agree."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.warehouse import open_memory
from identity.names import NAMES_ALIKE, alike, given_forms, nearly_alike

FORMS = {name: frozenset(forms) for name, forms in given_forms().select("given_name", "forms").iter_rows()}
CALLED = dict(given_forms().select("given_name", "called").iter_rows())


def forms_of(name: str) -> frozenset[str]:
    return FORMS.get(name, frozenset({name}))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("ann", "ann", True),
        ("bill", "william", True),
        ("bill", "will", True),
        ("j", "james", True),
        ("j", "robert", False),
        ("margaret", "margret", True),
        ("zane", "zaen", True),
        ("ann", "bob", False),
        ("john", "jane", False),
    ],
)
def test_names_that_may_belong_to_one_person(a: str, b: str, expected: bool) -> None:
    assert alike(a, forms_of(a), b, forms_of(b)) is expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("adam", "aam", True),
        ("adam", "adaam", True),
        ("mary", "mry", True),
        ("rene", "rne", True),
        ("dawn", "dan", True),
        ("tim", "tom", True),
        ("miek", "michael", True),
        ("michael", "miek", True),
        ("aam", "adaam", False),
        ("al", "ai", False),
        ("ann", "bob", False),
    ],
)
def test_names_that_are_nearly_alike(a: str, b: str, expected: bool) -> None:
    assert nearly_alike(a, b) is expected


LETTERS = st.text(alphabet="abcdehilmnorsty", min_size=1, max_size=9)
KNOWN = st.sampled_from(sorted(FORMS))


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(LETTERS | KNOWN, LETTERS | KNOWN), min_size=1, max_size=200))
@pytest.mark.slow
def test_sql_and_python_agree(pairs: list[tuple[str, str]]) -> None:
    rows = pl.DataFrame(
        {
            "a": [a for a, _ in pairs],
            "a_forms": [sorted(forms_of(a)) for a, _ in pairs],
            "b": [b for _, b in pairs],
            "b_forms": [sorted(forms_of(b)) for _, b in pairs],
            "a_called": pl.Series([CALLED.get(a) for a, _ in pairs], dtype=pl.List(pl.String)),
            "b_called": pl.Series([CALLED.get(b) for _, b in pairs], dtype=pl.List(pl.String)),
        }
    )
    warehouse = open_memory()
    warehouse.run(NAMES_ALIKE)
    with warehouse.frame("pairs", rows.with_row_index("position")):
        found = warehouse.query(
            "select names_alike(a, a_forms, b, b_forms) as alike, "
            "coalesce(nearly_alike(a, a_called, b, b_called), false) as nearly from pairs order by position"
        )
    assert found.rows() == [(alike(a, forms_of(a), b, forms_of(b)), nearly_alike(a, b)) for a, b in pairs]
