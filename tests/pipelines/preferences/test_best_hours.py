"""The best hours of people, from small tables of opens."""

from __future__ import annotations

import polars as pl

from pipelines.preferences.best_hours import best_hours


def opens(*rows: tuple[str, str, int | None, int, int]) -> pl.DataFrame:
    """(person, channel, arrival hour, opening hour, how many)."""
    names = {"profile_id": pl.String, "channel": pl.String}
    numbers = {"received_hour": pl.Int8, "opened_hour": pl.Int8, "opens": pl.Int64}
    return pl.DataFrame(rows, schema={**names, **numbers}, orient="row")


def hours_of(table: pl.DataFrame) -> dict[tuple[str, str], tuple[int, list[int]]]:
    return {(row[0], row[1]): (row[2], row[3]) for row in best_hours(table).iter_rows()}


CROWD = [(f"p{n}", "email", None, (8, 20)[n % 3 > 0], 3) for n in range(200)]


def test_own_opens_prevail_and_little_evidence_is_drawn_to_the_hours_of_others() -> None:
    found = hours_of(opens(*CROWD, ("ann", "email", None, 13, 30), ("ben", "email", None, 21, 1)))
    assert found["ann", "email"][1][0] == 13
    assert found["ben", "email"] == (1, found["ben", "email"][1])
    assert found["ben", "email"][1][0] in (20, 21)


def test_an_open_that_follows_the_arrival_says_little() -> None:
    prompted = [(f"q{n}", "email", n % 24, n % 24, 1) for n in range(480)]
    found = hours_of(opens(*CROWD, *prompted, ("ann", "email", 3, 3, 1), ("ann", "email", 3, 20, 1)))
    assert found["ann", "email"][1][0] in (19, 20, 21)


def test_hours_go_around_midnight() -> None:
    found = hours_of(opens(("ann", "sms", None, 23, 4), ("ann", "sms", None, 1, 4)))
    assert set(found["ann", "sms"][1]) == {23, 0, 1}


def test_nobody_opened() -> None:
    assert best_hours(opens()).is_empty()
