"""The quality gate, checked against the contracts' own SQL on a real warehouse."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table
from cdp.errors import QualityGateFailed, StatementFailed, Unavailable
from cdp.quality.gate import FailedExpectation, TableVerdict, check, gate
from cdp.warehouse import Warehouse, open_memory

PEOPLE = Table(
    "quality_test",
    "people",
    "a person, identified by `id`",
    (
        Column("id", f.EventId, True),
        Column("email", f.Email, True),
        Column("channel", f.Channel),
        Column("age", f.Count),
    ),
    key=("id",),
)
ORDERS = Table(
    "quality_test",
    "orders",
    "an order",
    (Column("order_id", f.Text, True), Column("person_id", f.EventId), Column("note", f.Text)),
    references=(Reference("person_id", "quality_test.people", "id"),),
    rules=(
        # Braces, colons, percent signs and quotes are special to the layers in between.
        Rule(
            "note",
            "a note is short & has no <code> or time in it",
            "select order_id from quality_test.orders where regexp_matches(note, '(?:[a-z]{20}|<code>)') "
            "or note like '%12:30%' or (note::varchar = 'it''s :late {now}')",
        ),
    ),
)
TABLES = (PEOPLE, ORDERS)

IDS = ["0" * 31 + digit for digit in "123"]


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    opened = open_memory()
    opened.create_tables(TABLES)
    yield opened
    opened.close()


def insert(warehouse: Warehouse, table: Table, *rows: tuple[object, ...]) -> None:
    marks = ", ".join("?" * len(table.columns))
    for row in rows:
        warehouse.run(f"insert into {table.full_name} values ({marks})", row)


def page(docs: Path) -> str:
    return (docs / "index.html").read_text(encoding="utf-8")


def page_text(docs: Path) -> str:
    body = page(docs).split("</style>")[1]
    return " ".join(unescape(re.sub("<[^>]+>", " ", body)).split())


def test_good_rows_pass(warehouse: Warehouse, tmp_path: Path) -> None:
    insert(warehouse, PEOPLE, (IDS[0], "ann@example.com", "email", 30), (IDS[1], "bo@example.org", None, None))
    insert(warehouse, ORDERS, ("o1", IDS[0], "soon"), ("o2", None, None))
    verdicts = check(warehouse, TABLES, tmp_path, "run 1")
    assert verdicts == [
        TableVerdict("quality_test.people", len(PEOPLE.expectations()), ()),
        TableVerdict("quality_test.orders", len(ORDERS.expectations()), ()),
    ]
    gate(verdicts, tmp_path)
    assert "✓ All 11 expectations of 2 tables hold." in page_text(tmp_path)


def test_empty_tables_pass(warehouse: Warehouse, tmp_path: Path) -> None:
    assert all(not verdict.failed for verdict in check(warehouse, TABLES, tmp_path, "run 1"))


BROKEN_ROWS = [
    # table, rows, the expectation they break, number of violations
    (PEOPLE, [(None, "a@example.com", None, None)], "id is always present", 1),
    (PEOPLE, [(IDS[0], None, None, None), (IDS[1], None, None, None)], "email is always present", 2),
    (PEOPLE, [(IDS[0], "a@example.com", "fax", None)], "channel is one of the allowed values", 1),
    (PEOPLE, [(IDS[0], "nobody", None, None)], "email is well-formed: lower-cased address", 1),
    (PEOPLE, [("f" * 33, "a@example.com", None, None)], "id is well-formed: an event", 1),
    (PEOPLE, [(IDS[0], "a@example.com", None, -1)], "age is at least 0", 1),
    (PEOPLE, [(IDS[0], "a@example.com", None, None)] * 3, "(id) is unique", 1),
    (ORDERS, [("o1", IDS[2], None), ("o2", IDS[2], None)], "person_id exists in quality_test.people", 2),
    (ORDERS, [("o1", None, "at 12:30")], ORDERS.rules[0].meaning, 1),
    (ORDERS, [("o1", None, "it's :late {now}"), ("o2", None, "z" * 20)], ORDERS.rules[0].meaning, 2),
]


@pytest.mark.parametrize(("table", "rows", "meaning", "count"), BROKEN_ROWS)
def test_each_kind_of_violation_is_found_and_counted(
    warehouse: Warehouse,
    tmp_path: Path,
    table: Table,
    rows: list[tuple[object, ...]],
    meaning: str,
    count: int,
) -> None:
    insert(warehouse, table, *rows)
    verdicts = {verdict.table: verdict for verdict in check(warehouse, TABLES, tmp_path, "run 1")}
    assert verdicts[table.full_name].failed == (FailedExpectation(meaning, count),)
    assert verdicts[table.full_name].passed == len(table.expectations()) - 1
    assert f"✗ broken {meaning}" in page_text(tmp_path)


person_rows = st.lists(
    st.tuples(
        st.sampled_from([*IDS, "bad id", None]),
        st.sampled_from(["a@example.com", "nobody", "", None]),
        st.sampled_from(["email", "fax", None]),
        st.sampled_from([0, 7, -7, None]),
    ),
    max_size=6,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=person_rows)
@pytest.mark.slow
def test_verdicts_agree_with_the_contracts_sql(
    warehouse: Warehouse, tmp_path: Path, rows: list[tuple[object, ...]]
) -> None:
    warehouse.run(f"delete from {PEOPLE.full_name}")
    insert(warehouse, PEOPLE, *rows)
    (verdict,) = check(warehouse, [PEOPLE], tmp_path, "run 1")
    counted = {
        one.meaning: warehouse.scalar(f"select count(*) from ({one.violations})") for one in PEOPLE.expectations()
    }
    assert {one.expectation: one.violation_count for one in verdict.failed} == {
        meaning: count for meaning, count in counted.items() if count
    }
    assert verdict.passed + len(verdict.failed) == len(counted)


def test_sees_uncommitted_rows_and_leaves_the_transaction_open(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.run("begin")
    insert(warehouse, PEOPLE, (IDS[0], None, None, None))
    (verdict,) = check(warehouse, [PEOPLE], tmp_path, "run 1")
    assert [one.expectation for one in verdict.failed] == ["email is always present"]
    warehouse.run("rollback")
    assert warehouse.count(PEOPLE.full_name) == 0


def test_no_values_of_rows_appear_in_reports_logs_or_errors(
    warehouse: Warehouse,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secrets = ("zenobia", "quixotic", "faxline", "7351246")
    insert(warehouse, PEOPLE, ("zenobia", "quixotic", "faxline", -7351246), ("zenobia", None, None, None))
    insert(warehouse, ORDERS, ("quixotic", "zenobia", "quixotic 12:30"))
    with caplog.at_level(logging.DEBUG):
        verdicts = check(warehouse, TABLES, tmp_path, "run 1")
    with pytest.raises(QualityGateFailed) as error:
        gate(verdicts, tmp_path)
    assert sum(len(verdict.failed) for verdict in verdicts) == 8
    written = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    captured = capfd.readouterr()
    output = "\n".join([*written, captured.out, captured.err, caplog.text, repr(verdicts), error.value.line()])
    assert [secret for secret in secrets if secret in output] == []


class ExternalReferences(HTMLParser):
    """Collects everything that a page would load from, or link to, elsewhere."""

    found: list[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag in ("script", "link", "img", "iframe") else []
        self.found += [value for name, value in attrs if name in ("src", "href") and value and value[0] != "#"]


def test_the_page_is_self_contained(warehouse: Warehouse, tmp_path: Path) -> None:
    check(warehouse, TABLES, tmp_path / "reports" / "quality", "<b>run</b> & more")
    text = page(tmp_path / "reports" / "quality")
    parser = ExternalReferences()
    parser.found = []
    parser.feed(text)
    assert parser.found == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert "<b>run</b>" not in text
    assert "&lt;b&gt;run&lt;/b&gt; &amp; more" in text


def test_the_page_lists_broken_expectations_first_with_rows_and_sql(warehouse: Warehouse, tmp_path: Path) -> None:
    insert(warehouse, ORDERS, ("o1", None, "at 12:30"), ("o2", None, None))
    check(warehouse, TABLES, tmp_path, "run 7")
    text = page_text(tmp_path)
    assert "run 7 ✗ Broken: 1 of 11 expectations, in 1 of 2 tables." in text
    assert "✓ holds quality_test.people a person, identified by id 0 7 –" in text
    assert "✗ broken quality_test.orders an order 2 4 1" in text
    details = text[text.index("↑ all tables") :]
    assert details.index(ORDERS.rules[0].meaning) < details.index("order_id is always present")
    assert ORDERS.rules[0].violations in " ".join(unescape(page(tmp_path)).split())


def test_the_gate_names_broken_expectations_and_the_page() -> None:
    verdicts = [
        TableVerdict("a.b", 3, (FailedExpectation("email is always present", 1200),)),
        TableVerdict("c.d", 9, ()),
        TableVerdict("e.f", 0, tuple(FailedExpectation(f"x{number} holds", 1) for number in range(6))),
    ]
    with pytest.raises(QualityGateFailed) as error:
        gate(verdicts, Path("var/reports/quality"))
    line = error.value.line()
    assert "a.b: email is always present (1,200 violations); e.f: x0 holds (1 violation);" in line
    assert "and 2 more" in line
    assert "var/reports/quality/index.html" in line
    assert "c.d" not in line
    assert error.value.exit_code == 5


def test_a_missing_table_is_an_error_not_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(StatementFailed, match=r"quality_test\.people"):
        check(open_memory(), TABLES, tmp_path, "run 1")


def test_sql_that_does_not_run_is_an_error_not_a_verdict(warehouse: Warehouse, tmp_path: Path) -> None:
    misspelt = Rule("bad", "is misspelt", "select nothing_like_it from quality_test.people")
    table = Table("quality_test", "people", "a person", (), rules=(misspelt,))
    with pytest.raises(StatementFailed, match="nothing_like_it"):
        check(warehouse, [table], tmp_path, "run 1")


def test_a_verdict_that_the_sql_does_not_confirm_is_an_error(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.run("create sequence quality_test.turn")
    fickle = Rule("fickle", "is broken at first sight", "select 1 where nextval('quality_test.turn') = 1")
    table = Table("quality_test", "people", "a person", (), rules=(fickle,))
    with pytest.raises(StatementFailed, match="is broken at first sight"):
        check(warehouse, [table], tmp_path, "run 1")


def test_docs_that_cannot_be_written_are_reported(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(Unavailable, match="taken"):
        check(warehouse, TABLES, tmp_path / "taken", "run 1")


SILENT_RUN = """
import sys
touched = []
sys.addaudithook(lambda event, args: touched.append(event) if event in
    ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto") else None)
from pathlib import Path
from cdp.quality.gate import check
from cdp.tables import FILES
from cdp.warehouse import open_memory
warehouse = open_memory()
warehouse.create_tables([FILES])
check(warehouse, [FILES], Path(sys.argv[1]), "run 1")
sys.exit(f"network: {touched}" if touched else 0)
"""


@pytest.mark.slow
def test_import_and_check_are_silent_and_touch_no_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SILENT_RUN, str(tmp_path / "docs")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "docs" / "index.html").exists()
