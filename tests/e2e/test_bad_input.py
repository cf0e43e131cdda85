"""Errors as a user sees them: one line, an exit code, and nothing lost."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import CDP, SAMPLE, Answer, Command, cdp, environment
from tests.e2e.logs import good_log, jsonl, mail, truncated_gzip

EVENTS = "select count(*) as n from conformed.events"
IN_PUBLISHED = 10


def events(command: Command) -> int:
    return int(json.loads(command("sql", EVENTS, "--format", "json").stdout)[0]["n"])


@pytest.fixture
def published(command: Command, home: Path, small_home: Path) -> None:
    """A good state of ten events, the first of those that `mail` makes."""
    shutil.copytree(small_home, home)


def unreadable(folder: Path) -> Path:
    """A file that opens and then cannot be read, even by root: a process's memory at address 0."""
    path = folder / "sendgrid.jsonl"
    path.symlink_to("/proc/self/mem")
    return path


def forbidden(folder: Path) -> Path:
    path = good_log(folder)
    path.chmod(0)
    return path


def gone(folder: Path) -> Path:
    path = folder / "sendgrid.jsonl"
    path.symlink_to(folder / "nowhere.jsonl")
    return path


def wrong_columns(folder: Path) -> Path:
    path = folder / "twilio_messages.csv"
    path.write_text("colour,size\nred,7\n")
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "sendgrid.jsonl"
    path.touch()
    return path


def unknown_file(folder: Path) -> Path:
    path = folder / "stars.csv"
    path.write_text("star,magnitude\nVega,0.03\n")
    return path


def not_json(folder: Path) -> Path:
    path = folder / "shopify_orders.json"
    path.write_text('{"orders": [{"id": 1, ')
    return path


def empty_folder(folder: Path) -> Path:
    return folder


REFUSED = {
    "unreadable": (unreadable, "cannot read"),
    "forbidden": (forbidden, "cannot read"),
    "gone": (gone, "no such file"),
    "truncated gzip": (lambda folder: truncated_gzip(folder / "sendgrid.jsonl.gz"), "the gzip file is truncated"),
    "wrong columns": (wrong_columns, "missing"),
    "empty file": (empty_file, "the file is empty"),
    "unknown file": (unknown_file, "no source recognises this file"),
    "broken document": (not_json, "not JSON"),
    "empty folder": (empty_folder, "the folder has no log files"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("published")
def test_a_bad_file_is_refused_and_the_last_good_state_stands(case: str, command: Command, tmp_path: Path) -> None:
    make, problem = REFUSED[case]
    if case == "forbidden" and os.geteuid() == 0:
        make = unreadable  # root may read everything
    folder = tmp_path / "bad"
    folder.mkdir()
    bad = make(folder)
    answer = command("run", str(good_log(tmp_path / "good", first=100)), str(bad))
    assert answer.exit_code == 4
    assert problem in answer.error
    assert str(bad) in answer.error
    assert events(command) == IN_PUBLISHED


@pytest.mark.usefixtures("published")
def test_a_good_file_refused_with_a_bad_one_is_not_lost(command: Command, home: Path, tmp_path: Path) -> None:
    good, bad = good_log(tmp_path, first=100), truncated_gzip(tmp_path / "twilio.jsonl.gz")
    assert command("run", str(good), str(bad)).exit_code == 4
    assert [path.name for path in (home / "work").iterdir()] == ["run.lock"]
    assert command("run", str(good)).exit_code == 0
    assert events(command) == IN_PUBLISHED + 10


def test_a_broken_line_is_one_reject_and_the_rest_lands(command: Command, tmp_path: Path) -> None:
    log = jsonl(tmp_path / "logs" / "sendgrid.jsonl", [mail(number) for number in range(20)], broken_line=7)
    assert command("run", str(log)).exit_code == 0
    assert events(command) == 19
    shown = command("rejects").stdout
    assert "sendgrid broken_json" in shown
    assert "sendgrid.jsonl:7" in shown


@pytest.mark.usefixtures("published")
def test_mostly_refused_rows_trip_the_gate(command: Command, tmp_path: Path) -> None:
    anonymous = [mail(number, email=None if number % 4 else "someone@example.com") for number in range(100, 140)]
    log = jsonl(tmp_path / "bad" / "sendgrid.jsonl", anonymous)
    answer = command("run", str(log))
    assert answer.exit_code == 5
    assert "no source has more than 25% of its rows rejected" in answer.error
    assert "someone@example.com" not in answer.stderr
    assert events(command) == IN_PUBLISHED
    status = command("status").stdout
    assert "published" in status
    assert "was refused: landing.files: no source has more than 25%" in " ".join(status.split())
    runs = json.loads(command("status", "--json").stdout)["runs"]
    assert [run["published"] for run in runs] == [False, True]
    assert runs[0]["quality"][0]["failed"][0]["violation_count"] == 1
    # The next good file is ingested as usual.
    assert command("run", str(good_log(tmp_path / "good", first=200))).exit_code == 0
    assert events(command) == IN_PUBLISHED + 10


@pytest.mark.usefixtures("published")
def test_a_second_run_at_the_same_time_is_refused(command: Command, home: Path, tmp_path: Path) -> None:
    with (home / "work" / "run.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = cdp(home, "run", str(good_log(tmp_path / "good", first=100)))
    assert answer.exit_code == 7
    assert "another run is in progress" in answer.error
    assert events(command) == IN_PUBLISHED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where we may mount one; a folder whose files may not grow beyond 1 MB elsewhere."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    yield disk
    if mounted.returncode == 0:
        subprocess.run(["umount", disk], check=True)


def run_on(disk: Path) -> Answer:
    def limit_files() -> None:
        if not os.path.ismount(disk):
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))

    done = subprocess.run(
        [CDP, "run", SAMPLE],
        env=environment(disk / "var"),
        capture_output=True,
        text=True,
        preexec_fn=limit_files,
        timeout=120,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_no_space_left(small_disk: Path) -> None:
    answer = run_on(small_disk)
    assert answer.exit_code == 7, answer.stderr
    assert "Free space" in answer.error
    assert not (small_disk / "var" / "warehouse.duckdb").exists()


SETTINGS = {
    "a number out of range": ({"CDP_THREADS": "0"}, "CDP_THREADS"),
    "a word for a number": ({"CDP_THREADS": "many"}, "CDP_THREADS"),
    "no country": ({"CDP_DEFAULT_REGION": "Utopia"}, "CDP_DEFAULT_REGION"),
    "no memory size": ({"CDP_MEMORY_LIMIT": "plenty"}, "CDP_MEMORY_LIMIT"),
    "no store": ({"CDP_STORE_URL": "oracle://scott:tiger@example.com/db"}, "CDP_STORE_URL"),
    "no segments": ({"CDP_SEGMENTS": "nowhere.yaml"}, "nowhere.yaml"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_bad_setting(case: str, command: Command, tmp_path: Path) -> None:
    settings, place = SETTINGS[case]
    answer = command("run", str(good_log(tmp_path / "logs")), **settings)
    assert answer.exit_code == 3
    assert place in answer.error
    assert "tiger" not in answer.stderr


def test_an_unknown_key_in_the_settings_file(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cdp.toml").write_text('homme = "var"\n')
    monkeypatch.chdir(tmp_path)
    answer = command("config")
    assert answer.exit_code == 3
    assert "homme" in answer.error


CATALOGUES = {
    "no YAML": ("segments: [", "not YAML"),
    "unknown field": (
        "version: 1\nsegments: [{name: a, title: A, rule: {field: shoe_size, at_least: 7}}]",
        "shoe_size",
    ),
    "no comparison": ("version: 1\nsegments: [{name: a, title: A, rule: {field: order_count}}]", "exactly one of"),
}


@pytest.mark.parametrize("case", CATALOGUES)
@pytest.mark.usefixtures("published")
def test_a_bad_catalogue_of_segments(case: str, command: Command, tmp_path: Path) -> None:
    text, problem = CATALOGUES[case]
    catalogue = tmp_path / "segments.yaml"
    catalogue.write_text(text)
    answer = command("run", str(good_log(tmp_path / "good", first=100)), CDP_SEGMENTS=str(catalogue))
    assert answer.exit_code == 3
    assert problem in answer.error
    assert str(catalogue) in answer.error
    assert events(command) == IN_PUBLISHED


@pytest.mark.parametrize("arguments", ["status", "run data/sample", "clients list", "serve --port 0", "serve"])
def test_a_store_out_of_reach(arguments: str, command: Command) -> None:
    url = "postgresql+psycopg://steward:hush-hush@127.0.0.1:1/cdp"
    answer = command(*arguments.split(), CDP_STORE_URL=url)
    assert answer.exit_code == (2 if arguments.endswith(" 0") else 7)
    assert "hush-hush" not in answer.stdout + answer.stderr
    assert answer.error


WRONG_USE = {
    "no such command": ["frobnicate"],
    "no such option": ["run", "--faster"],
    "no such format": ["sql", "select 1", "--format", "xml"],
    "no such time": ["run", "--as-of", "yesterday"],
    "nothing to run on": ["run"],
    "no people": ["simulate", "--people", "0", "--out", "nowhere"],
    "a scope that does not exist": ["clients", "add", "someone", "--scope", "everything:write"],
    "a client without a scope": ["clients", "add", "someone"],
    "a client that does not exist": ["clients", "remove", "nobody"],
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use(case: str, command: Command) -> None:
    answer = command(*WRONG_USE[case])
    assert answer.exit_code == 2
    assert answer.error
    assert answer.stdout == ""


def test_client_names_are_unique(command: Command) -> None:
    added = ("clients", "add", "sender", "--scope", "profiles:read")
    assert command(*added).exit_code == 0
    answer = command(*added)
    assert answer.exit_code == 2
    assert "already a client named 'sender'" in answer.error


@pytest.mark.parametrize("arguments", [["sql", "select 1"], ["rejects"], ["segments"], ["replay"]])
def test_before_the_first_run_there_is_no_warehouse(arguments: list[str], command: Command) -> None:
    answer = command(*arguments)
    assert answer.exit_code == 7
    assert "there is no warehouse yet" in answer.error


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("selec 1", "syntax error"),
        ("select * from conformed.evens", "does not exist"),
        ("delete from conformed.events", "read-only"),
        ("create table mine (a int)", "read-only"),
        ("  ", "the statement is empty"),
        ("select cast(email as integer) from conformed.observations", "the statement failed: Conversion"),
    ],
)
@pytest.mark.usefixtures("published")
def test_wrong_sql(query: str, problem: str, command: Command) -> None:
    answer = command("sql", query)
    assert answer.exit_code == 2
    assert problem in answer.error
    assert "@" not in answer.error
    assert events(command) == IN_PUBLISHED
