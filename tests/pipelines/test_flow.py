"""Runs: safe to repeat, to rebuild, to refuse and to kill."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.errors import ConfigurationError, InputRefused, QualityGateFailed, Unavailable, UsageError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.warehouse import open_published, published_path, run_lock
from pipelines import flow
from pipelines.land.landed import landed_files
from tests.pipelines.runs import (
    CONTACTS,
    CONTACTS_MAPPING,
    NOW,
    Told,
    published,
    published_tables,
    recorded_runs,
    run,
    sendgrid,
    settings_in,
    stored_tables,
    write_contacts,
    write_lines,
)

pytestmark = pytest.mark.slow

LATER, LATER_STILL = NOW + timedelta(hours=1), NOW + timedelta(hours=2)

FIRST = [sendgrid("delivered"), sendgrid("open"), "broken", sendgrid("delivered", "ben@shop.example")]
SECOND = [
    *(sendgrid("click"), sendgrid("open")),
    *(sendgrid("delivered", "dan@shop.example"), sendgrid("unsubscribe", "ben@shop.example")),
]


def write_first(folder: Path) -> Path:
    write_contacts(folder / "first")
    write_lines(folder / "first" / "sendgrid-1.jsonl", FIRST)
    return folder / "first"


def write_second(folder: Path) -> Path:
    return write_lines(folder / "second" / "sendgrid-2.jsonl", SECOND).parent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def state(settings: Settings) -> Mapping[str, Any]:
    """All that readers see, whichever run made it."""
    everything = {"warehouse": published_tables(settings), "store": stored_tables(settings)}
    return json.loads(re.sub(r"run_\w+", "run", json.dumps(everything, default=str)))


def test_the_report_of_a_run(settings: Settings, tmp_path: Path) -> None:
    report = run(settings, write_first(tmp_path))
    assert re.fullmatch(r"run_20261120T120000_[0-9a-f]{6}", report["run_id"])
    assert report["lines"] == {"reject": 1, "event": 3, "observation": 1, "consent": 2, "duplicate": 0}
    assert (report["published"], report["files"], report["landed"], report["rejected"]) == (True, 2, 7, 1)
    assert (report["events"], report["observations"], report["consents"], report["profiles"]) == (3, 5, 2, 3)
    assert report["as_of"] == "2026-11-19T12:00:00+00:00"
    assert [stage["name"] for stage in report["stages"]] == [stage.name for stage in flow.STAGES]
    assert {verdict["table"] for verdict in report["quality"]} >= {
        "landing.files",
        "conformed.events",
        "profiles.traits",
    }
    assert all(verdict["failed"] == [] for verdict in report["quality"])


def test_a_run_repeated_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    inputs = write_first(tmp_path)
    first = run(settings, inputs)
    before = published_tables(settings), stored_tables(settings)
    second = run(settings, inputs, now=LATER)
    assert (second["files"], second["files_known"], second["landed"]) == (0, 2, 0)
    for figure in ("events", "observations", "consents", "profiles"):
        assert second[figure] == first[figure]
    assert (published_tables(settings), stored_tables(settings)) == before
    assert [one["run_id"] for one in recorded_runs(settings)] == [second["run_id"], first["run_id"]]
    assert updated_at(settings) == {NOW.replace(tzinfo=None).isoformat(" ") + ".000000"}


def updated_at(settings: Settings) -> set[str]:
    store = open_store(settings.effective_store_url)
    try:
        with store.read() as connection:
            return {row[0] for row in connection.exec_driver_sql("select distinct updated_at from profiles")}
    finally:
        store.close()


@pytest.mark.long
@pytest.mark.parametrize(
    "earlier", ["alter table conformed.events drop column is_claim", "drop table conformed.event_products"]
)
def test_tables_of_an_earlier_version_are_derived_again(settings: Settings, tmp_path: Path, earlier: str) -> None:
    run(settings, write_first(tmp_path))
    before = published_tables(settings)
    with duckdb.connect(published_path(settings.home)) as warehouse:
        warehouse.execute(earlier)
    told = Told()
    flow.run(settings, [], told, now=LATER)
    assert told.rebuilt == ["its tables are those of an earlier version"]
    assert published_tables(settings) == before


def test_a_run_gives_a_write_key_no_more_rights_than_the_live_side(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "segment_calls.jsonl").write_text("\n".join(map(json.dumps, CALLS)))
    report = run(settings, tmp_path)
    assert report["rejected"] == 1
    assert published(settings, "select reason, line_number from landing.rejects") == [("not_authorised", 2)]
    assert published(settings, "select country, city from profiles.profiles") == [("CH", "Bern")]
    with closing(open_store(settings.effective_store_url)) as store, store.read() as connection:
        assert connection.exec_driver_sql("select * from suppressions").all() == []
        [entry] = connection.exec_driver_sql("select channel, state, evidence from consent_ledger")
    assert (entry.channel, entry.state, json.loads(entry.evidence)["credential"]) == ("email", "withdrawn", "site")


BY_KEY = {"receivedBy": {"name": "site", "isClaim": True}}
CALLS: list[dict[str, Any]] = [
    {"type": type_, "userId": "u1", "messageId": str(number), "timestamp": f"2026-11-19T1{number}:00:00Z", **call}
    for number, (type_, call) in enumerate(
        [
            ("track", {"event": "Email Marked as Spam", "context": {"traits": {"email": "ann@example.com"}}, **BY_KEY}),
            ("track", {"event": "Email Resubscribed", "context": {"traits": {"email": "ann@example.com"}}, **BY_KEY}),
            ("identify", {"traits": {"email": "ann@example.com", "country": "CH", "city": "Bern"}}),
            ("identify", {"traits": {"email": "ann@example.com", "country": "JP", "city": "Kyoto"}, **BY_KEY}),
            ("identify", {"traits": {"email": "ann@example.com", "country": None}, **BY_KEY}),
        ]
    )
]


@pytest.mark.usefixtures("ungated")
def test_the_warehouse_can_be_deleted_and_made_again(settings: Settings, tmp_path: Path) -> None:
    run(settings, write_first(tmp_path))
    run(settings, write_second(tmp_path), now=LATER)
    before = published_tables(settings), stored_tables(settings)
    published_path(settings.home).unlink()
    report = run(settings, full=True, now=LATER_STILL)
    after = published_tables(settings), stored_tables(settings)
    for name, rows in before[0].items():
        assert after[0][name] == rows, name
    assert after[1] == before[1]
    assert (report["files"], report["landed"]) == (3, 11)
    assert published(settings, "select count(*) from runs.runs") == [(3,)]
    published_path(settings.home).unlink()
    run(settings, now=LATER_STILL + timedelta(hours=1))
    assert (published_tables(settings), stored_tables(settings)) == before


@pytest.mark.usefixtures("ungated")
def test_all_at_once_or_one_after_the_other_is_the_same(tmp_path: Path) -> None:
    first, second = write_first(tmp_path), write_second(tmp_path)
    apart, at_once = settings_in(tmp_path / "apart"), settings_in(tmp_path / "at_once")
    run(apart, first)
    run(apart, second, now=LATER)
    run(at_once, second, first)
    for query in (
        "select profile_id, email, first_name, last_seen_at, observation_count from profiles.profiles order by all",
        "select * from profiles.metrics order by all",
        "select event_id, event_type, occurred_at, observation_id from conformed.events order by all",
    ):
        assert published(apart, query) == published(at_once, query)


@pytest.mark.usefixtures("ungated")
def test_the_same_content_under_two_names_lands_once(settings: Settings, tmp_path: Path) -> None:
    inputs = write_first(tmp_path)
    shutil.copy(inputs / "sendgrid-1.jsonl", inputs / "sendgrid-copy.jsonl")
    report = run(settings, inputs)
    assert (report["files"], report["files_known"], report["events"]) == (2, 1, 3)


@pytest.mark.usefixtures("ungated")
def test_raw_rows_stay_readable(settings: Settings, tmp_path: Path) -> None:
    run(settings, write_first(tmp_path))
    assert published(
        settings, "select line_number, payload->>'$' from landing.records where source = 'sendgrid' and line_number = 3"
    ) == [(3, "broken")]
    assert published(
        settings,
        "select parse_filename(f.path), e.line_number, r.payload->>'$.event' from conformed.events e "
        "join landing.files f using (file_id) join landing.records r using (file_id, line_number) order by all",
    ) == [("sendgrid-1.jsonl", 1, "delivered"), ("sendgrid-1.jsonl", 2, "open"), ("sendgrid-1.jsonl", 4, "delivered")]


@pytest.mark.usefixtures("ungated")
def test_a_home_with_an_odd_name(tmp_path: Path) -> None:
    odd = settings_in(tmp_path / "it's [1] *")
    run(odd, write_first(tmp_path))
    run(odd, write_second(tmp_path), full=True, now=LATER)
    assert published(odd, "select count(*) from landing.records") == [(11,)]


OTHER_MAPPING = CONTACTS_MAPPING.replace("first_name: first, last_name: last, ", "full_name: first, ")


@pytest.mark.usefixtures("ungated")
def test_what_a_changed_mapping_says_takes_the_place_of_what_it_said(settings: Settings, tmp_path: Path) -> None:
    inputs = write_first(tmp_path)
    run(settings, inputs)
    (inputs / "crm.mapping.yaml").write_text(OTHER_MAPPING)
    report = run(settings, inputs, now=LATER)
    assert (report["files"], report["landed"], report["events"]) == (2, 7, 3)
    assert published(settings, "select first_name, last_name from profiles.profiles where email like 'ann@%'") == [
        ("Ann", None)
    ]
    assert published(settings, "select count(*) from landing.files") == [(2,)]
    assert published(settings, "select count(*) from landing.records") == [(7,)]


@pytest.mark.usefixtures("ungated")
def test_a_changed_mapping_leaves_nothing_of_the_old_one(settings: Settings, tmp_path: Path) -> None:
    inputs, fresh = write_first(tmp_path), settings_in(tmp_path / "fresh")
    query = "select email, first_name, last_name, phone, observation_count from profiles.profiles order by all"
    run(settings, inputs)
    before = published(settings, query)
    (inputs / "crm.mapping.yaml").write_text(OTHER_MAPPING)
    run(settings, inputs, now=LATER)
    run(fresh, inputs, now=LATER)
    assert published(settings, query) == published(fresh, query) != before
    (inputs / "crm.mapping.yaml").write_text(CONTACTS_MAPPING)
    run(settings, inputs, now=LATER_STILL)
    assert published(settings, query) == before


@pytest.mark.usefixtures("ungated")
def test_as_of(settings: Settings, tmp_path: Path) -> None:
    report = run(settings, write_first(tmp_path), as_of=NOW - timedelta(days=2))
    assert report["as_of"] == "2026-11-18T12:00:00+00:00"
    assert published(settings, "select sum(event_count) from profiles.metrics") == [(0,)]


@pytest.mark.usefixtures("ungated")
def test_a_guessed_mapping_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "vips.csv").write_text("email,name\nann@shop.example,Ann Archer\n")
    told = Told()
    flow.run(settings, [str(tmp_path / "vips.csv")], told, now=NOW)
    assert told.guesses == ["vips.csv"]
    assert published(settings, "select source from conformed.observations") == [("vips",)]


NO_ADDRESS = [sendgrid("open", None, key=str(number)) for number in range(8)]


def test_a_failed_gate_publishes_nothing(settings: Settings, tmp_path: Path) -> None:
    run(settings, write_first(tmp_path))
    before, landing = state(settings), landed_files(settings.home / "landing")
    bad = write_lines(tmp_path / "bad" / "sendgrid-3.jsonl", [sendgrid("click"), *NO_ADDRESS])
    with pytest.raises(QualityGateFailed, match="no source has more than") as caught:
        run(settings, bad, now=LATER)
    assert caught.value.exit_code == 5
    assert state(settings) == before
    assert landed_files(settings.home / "landing") == landing
    assert not list((settings.home / "work").glob("run_*"))
    report = recorded_runs(settings)[0]
    assert (report["published"], report["landed"], report["rejected"]) == (False, 9, 8)
    failed = {verdict["table"]: verdict["failed"] for verdict in report["quality"] if verdict["failed"]}
    assert list(failed) == ["landing.files"]
    assert "25%" in failed["landing.files"][0]["expectation"]
    assert (settings.home / "reports" / "quality" / "landing-conformed" / "index.html").exists()
    # The good work of others goes on.
    report = run(settings, write_second(tmp_path), now=LATER_STILL)
    assert (report["published"], report["events"]) == (True, 6)
    assert published(settings, "select count(*) from runs.runs") == [(2,)]


def test_a_failed_gate_of_the_first_run_leaves_nothing_to_read(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(QualityGateFailed):
        run(settings, write_lines(tmp_path / "sendgrid.jsonl", NO_ADDRESS))
    assert not published_path(settings.home).exists()
    assert landed_files(settings.home / "landing") == []


@pytest.mark.usefixtures("ungated")
def test_refusals_take_nothing_in(settings: Settings, tmp_path: Path) -> None:
    run(settings, write_first(tmp_path))
    before = state(settings)
    second = write_second(tmp_path)
    (second / "sendgrid-4.json").write_text('[{"event": "open"')
    with pytest.raises(InputRefused, match=r"sendgrid-4\.json"):
        run(settings, second, now=LATER)
    assert state(settings) == before
    assert not list((settings.home / "work").glob("run_*"))


def test_nothing_to_run_on(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no input and no earlier data"):
        run(settings)
    (tmp_path / "segments.yaml").write_text("version: 3")
    with pytest.raises(ConfigurationError, match=r"segments\.yaml"):
        run(settings_in(tmp_path, segments=tmp_path / "segments.yaml"), write_first(tmp_path))


@pytest.mark.usefixtures("ungated")
def test_a_second_run_at_the_same_time_is_refused(settings: Settings, tmp_path: Path) -> None:
    with run_lock(settings.home), pytest.raises(Unavailable, match="another run is in progress") as caught:
        run(settings, write_first(tmp_path))
    assert caught.value.exit_code == 7
    assert run(settings, tmp_path / "first")["published"]


@pytest.mark.usefixtures("ungated")
def test_readers_keep_what_they_opened(settings: Settings, tmp_path: Path) -> None:
    run(settings, write_first(tmp_path))
    reader = open_published(settings)
    run(settings, write_second(tmp_path), now=LATER)
    assert (reader.count("conformed.events"), reader.count("profiles.profiles")) == (3, 3)
    reader.close()
    assert published(settings, "select count(*) from conformed.events") == [(6,)]
    assert len(stored_tables(settings)["profiles"]) == 4


@pytest.mark.long
@pytest.mark.usefixtures("ungated")
def test_an_older_warehouse_put_back_does_not_put_the_store_back(settings: Settings, tmp_path: Path) -> None:
    run(settings, write_first(tmp_path))
    shutil.copy(published_path(settings.home), tmp_path / "backup.duckdb")
    run(settings, write_second(tmp_path), now=LATER)
    after = state(settings)
    shutil.copy(tmp_path / "backup.duckdb", published_path(settings.home))
    run(settings, now=LATER_STILL)
    assert state(settings) == after


# Runs the second input in a process of its own that kills itself; the gate, slow to load, is not what is tried here.
KILLED = """
import os, signal, sys
from datetime import datetime
from pipelines import flow
from tests.pipelines.runs import Told, settings_in
from pathlib import Path

def killing(work, calls):
    left = [calls]
    def wrapped(*args, **kwargs):
        done = work(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return wrapped

module, name, calls, folder, inputs, now = sys.argv[1:]
place = sys.modules[module]
setattr(place, name, killing(getattr(place, name), int(calls)))
flow._gate = lambda *_: 0
flow.run(settings_in(Path(folder)), [inputs], Told(), now=datetime.fromisoformat(now))
"""

# Where the run is killed, and whether warehouse and store show the second input then.
KILL_POINTS = {
    "while landing": ("pipelines.land", "list_files", 1, False),
    "landing moved": ("pipelines.publish", "move_landing", 1, False),
    "warehouse renamed": ("pipelines.publish", "publish_warehouse", 1, True),
    "store half written": ("pipelines.publish.store", "apply_publish", 1, True),
    "store written, run not recorded": ("pipelines.publish.store", "apply_publish", 2, True),
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each kill point, its second run killed there; and "never", where it was not."""
    base = tmp_path_factory.mktemp("killed")
    first, second = write_first(base), write_second(base)
    run(settings_in(base), first)
    folders = {point: base / point.replace(" ", "_") for point in ("never", *KILL_POINTS)}
    for folder in folders.values():
        shutil.copytree(base / "home", folder / "home")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    arguments = {
        point: [module, name, str(calls), str(folders[point]), str(second), LATER.isoformat()]
        for point, (module, name, calls, _) in KILL_POINTS.items()
    }
    processes = {
        point: subprocess.Popen([sys.executable, "-c", KILLED, *given], env=environment)
        for point, given in arguments.items()
    }
    assert {point: process.wait(timeout=120) for point, process in processes.items()} == dict.fromkeys(
        KILL_POINTS, -signal.SIGKILL
    )
    run(settings_in(folders["never"]), second, now=LATER)
    return folders


@pytest.mark.long
@pytest.mark.usefixtures("ungated")
@pytest.mark.parametrize("point", KILL_POINTS)
def test_a_killed_run_leaves_a_sound_state_and_the_next_one_heals_it(killed: dict[str, Path], point: str) -> None:
    settings, undisturbed = settings_in(killed[point]), settings_in(killed["never"])
    warehouse_is_new = KILL_POINTS[point][3]
    assert published(settings, "select count(*) from conformed.events") == [(6 if warehouse_is_new else 3,)]
    assert len(stored_tables(settings)["profiles"]) == 3
    # Where nothing was kept of the killed run, its input must come again, and came at the same time.
    again = [killed[point].parent / "second"] if point == "while landing" else []
    run(settings, *again, now=LATER if again else LATER_STILL)
    assert state(settings) == state(undisturbed)
    assert not list((settings.home / "work").glob("run_*"))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounting.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.long
@pytest.mark.usefixtures("ungated")
@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    first, second = write_first(tmp_path), write_second(tmp_path)
    with small_disk(tmp_path / "disk", "48m") as disk:
        settings = settings_in(disk)
        run(settings, first)
        before = state(settings)
        refused = 0
        for kilobytes in (0, 4, 16, 200, 2_000, 4_500, 6_000, 9_000, 12_000):
            fill(disk / "filler", leaving=kilobytes * 1024)
            try:
                run(settings, second, now=LATER)
            except Unavailable as error:
                refused += 1
                assert error.exit_code == 7
                assert "\n" not in error.line()
            else:
                break
            finally:
                (disk / "filler").unlink()
            assert len(state(settings)["warehouse"]["profiles.profiles"]) in (3, 4)
        assert refused >= 3
        run(settings, second, now=LATER_STILL)
        after = state(settings)
        assert after != before
        assert len(after["store"]["profiles"]) == len(after["warehouse"]["profiles.profiles"]) == 4
        assert len(after["warehouse"]["conformed.events"]) == 6


def fill(path: Path, leaving: int) -> None:
    free = shutil.disk_usage(path.parent).free
    with path.open("wb") as filler:
        filler.write(b"\0" * max(0, free - leaving))


def test_no_right_to_write_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot write"):
        run(settings_in(tmp_path), write_first(tmp_path))


@pytest.mark.usefixtures("ungated")
def test_an_input_that_grows_lands_anew_and_counts_once(settings: Settings, tmp_path: Path) -> None:
    inputs = write_first(tmp_path)
    run(settings, inputs)
    write_contacts(inputs, CONTACTS + "4,Eve,East,eve@shop.example,,2026-11-04T10:00:00Z,\n")
    report = run(settings, inputs, now=LATER)
    assert (report["files"], report["profiles"], report["events"]) == (1, 4, 3)
    assert published(settings, "select count(*) from conformed.observations where source = 'crm'") == [(4,)]


@pytest.mark.usefixtures("ungated")
def test_a_list_of_one_s_own_says_which_values_join_nobody(tmp_path: Path) -> None:
    content = "id,first,last,email,phone,updated,opt_in\n" + "".join(
        f"{number},,,till@shop.example,,2026-11-0{number}T10:00:00Z,\n" for number in (1, 2)
    )
    write_contacts(tmp_path / "logs", content)
    own = tmp_path / "values.csv"
    own.write_text("type,pattern,quality,reason\nemail,till@.*,junk,the till\n")
    profiles = "select count(*) from profiles.profiles"
    with_it = settings_in(tmp_path / "with", identifier_values=own)
    run(with_it, tmp_path / "logs")
    without = settings_in(tmp_path / "without")
    run(without, tmp_path / "logs")
    assert (published(without, profiles), published(with_it, profiles)) == ([(1,)], [(2,)])
