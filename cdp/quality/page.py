"""The quality gate's verdicts as a single HTML page, without scripts, fonts or external links.

Great Expectations' own pages load styles and scripts from the network and show values of rows; this one opens offline
and shows counts only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cdp.contract import Expectation, Table
from cdp.warehouse import disk_errors


@dataclass(frozen=True)
class CheckedTable:
    """A table, its row count, and its broken expectations: meaning -> number of violating rows."""

    table: Table
    row_count: int
    violations: Mapping[str, int]


def write_docs(docs: Path, run_name: str, checked: Sequence[CheckedTable]) -> None:
    """Write `index.html` in the folder `docs`, creating it if necessary.

    Raises:
        Unavailable: the folder cannot be written.
    """
    with disk_errors(docs):
        docs.mkdir(parents=True, exist_ok=True)
        (docs / "index.html").write_text(render(run_name, checked), encoding="utf-8")


def render(run_name: str, checked: Sequence[CheckedTable]) -> str:
    """The page: a summary, the tables in the order of the data flow, and their expectations, broken ones first."""
    rows = "\n".join(_overview_row(result) for result in checked)
    sections = "\n".join(map(_section, sorted(checked, key=lambda result: not result.violations)))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Data quality: {escape(run_name)}</title>
<style>{STYLE}</style>
</head>
<body>
<header id="top">
<h1>Data quality</h1>
<p class="quiet">{escape(run_name)}</p>
{_summary(checked)}
</header>
<table class="overview">
<thead><tr><th>Verdict</th><th>Table</th><th>A row is</th><th class="number">Rows</th>
<th class="number">Expectations</th><th class="number">Broken</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{sections}
<footer class="quiet">The expectations come from the tables' contracts and are checked with Great
Expectations. A violation is a row that breaks an expectation, or a key shared by several rows; each
expectation's SQL returns its violations. This page shows no values of any row.</footer>
</body>
</html>
"""


def _summary(checked: Sequence[CheckedTable]) -> str:
    total = sum(len(result.table.expectations()) for result in checked)
    broken = sum(len(result.violations) for result in checked)
    tables = sum(bool(result.violations) for result in checked)
    if not broken:
        tables_checked = _count(len(checked), "table")
        return f'<p class="banner good">✓ All {total:,} expectations of {tables_checked} hold.</p>'
    return (
        f'<p class="banner bad">✗ Broken: {broken:,} of {_count(total, "expectation")}, '
        f"in {tables:,} of {_count(len(checked), 'table')}.</p>"
    )


def _overview_row(result: CheckedTable) -> str:
    table = result.table
    return (
        f"<tr><td>{_mark(not result.violations)}</td>"
        f'<td><a href="#{table.full_name}">{table.full_name}</a></td>'
        f'<td>{_prose(table.row)}</td><td class="number">{result.row_count:,}</td>'
        f'<td class="number">{len(table.expectations()):,}</td>'
        f'<td class="number">{len(result.violations) or "–"}</td></tr>'
    )


def _section(result: CheckedTable) -> str:
    table = result.table
    broken_first = sorted(table.expectations(), key=lambda one: one.meaning not in result.violations)
    rows = "\n".join(_expectation_row(one, result.violations.get(one.meaning, 0)) for one in broken_first)
    return f"""<section id="{table.full_name}">
<h2>{table.full_name} <a class="quiet" href="#top">↑ all tables</a></h2>
<p class="quiet">A row is {_prose(table.row)}. {_count(result.row_count, "row")}.</p>
<table>
<thead><tr><th>Verdict</th><th>Expectation</th><th class="number">Violations</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</section>"""


def _expectation_row(expectation: Expectation, violation_count: int) -> str:
    found = f"<details><summary>SQL</summary><pre>{escape(expectation.violations)}</pre></details>"
    return (
        f"<tr><td>{_mark(not violation_count)}</td><td>{_prose(expectation.meaning)}{found}</td>"
        f'<td class="number">{f"{violation_count:,}" if violation_count else "–"}</td></tr>'
    )


def _prose(text: str) -> str:
    """Text of a contract as HTML, with backticks turned into code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _mark(holds: bool) -> str:
    return '<span class="good">✓ holds</span>' if holds else '<span class="bad">✗ broken</span>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #cf222e; --line: #d8dee4; --quiet: #59636e; }
@media (prefers-color-scheme: dark) {
  :root { --good: #3fb950; --bad: #ff7b72; --line: #3d444d; --quiet: #9198a1; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { margin: 0; font-size: 1.7rem; }
h2 { margin: 2.75rem 0 0; font-size: 1.15rem; }
h2 a { font-size: .8rem; font-weight: normal; margin-left: .5rem; text-decoration: none; }
p { margin: .15rem 0 .75rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-size: .8rem; font-weight: 600; color: var(--quiet); }
th:first-child, td:first-child { width: 5.5rem; padding-left: 0; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.quiet, summary { color: var(--quiet); }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.banner { margin: 1rem 0 1.5rem; padding: .6rem 1rem; border: 1px solid; border-left-width: 6px;
  border-radius: 6px; font-size: 1.05rem; font-weight: 600; }
details { float: right; font-size: .85rem; }
details[open] { float: none; }
summary { cursor: pointer; }
pre { margin: .3rem 0; padding: .6rem; border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 40rem) { .overview :is(th, td):nth-child(3) { display: none; } }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; font-size: .85rem; }
"""
