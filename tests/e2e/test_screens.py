"""What commands show on a terminal of 80 columns, and in the formats for machines."""

from __future__ import annotations

import csv
import io
import json
import socket
from pathlib import Path

import pytest

from cdp.access.tables import clients
from cdp.cli.common import opened_store
from cdp.settings import Settings
from tests.e2e.command import Answer, Command
from tests.e2e.conftest import SampleRun
from tests.e2e.logs import good_log, jsonl, mail


def look(sample: Command, *arguments: str) -> Answer:
    answer = sample(*arguments, COLUMNS="80")
    assert answer.exit_code == 0, answer.stderr
    return answer


@pytest.mark.parametrize(
    "arguments",
    [
        ["segments"],
        ["sources"],
        ["status"],
        ["rejects", "--limit", "5"],
        ["sql", "select * from profiles.profiles limit 2"],
        ["sql", "select * from landing.files limit 2"],
    ],
    ids=" ".join,
)
def test_nothing_is_cut_off_on_eighty_columns(arguments: list[str], sample: Command) -> None:
    shown = look(sample, *arguments).stdout
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_wide_row_is_shown_as_a_record_with_all_its_values(sample: Command) -> None:
    query = "select * from profiles.profiles where email is not null order by profile_id limit 1"
    shown = look(sample, "sql", query).stdout
    row = json.loads(look(sample, "sql", query, "--format", "json").stdout)[0]
    assert row["profile_id"] in shown
    assert row["email"] in shown.replace("\n", "")


def test_csv_and_json_hold_the_same_rows(sample: Command) -> None:
    query = (
        "select profile_id, channel, score, best_hours from segments.channel_preferences "
        "where best_hours is not null order by profile_id, channel limit 50"
    )
    documents = json.loads(look(sample, "sql", query, "--format", "json").stdout)
    lines = list(csv.DictReader(io.StringIO(look(sample, "sql", query, "--format", "csv").stdout)))
    assert len(documents) == len(lines) == 50
    assert [json.loads(line["best_hours"]) for line in lines] == [document["best_hours"] for document in documents]


def test_a_long_answer_is_cut_and_says_so(sample: Command, sample_run: SampleRun) -> None:
    shown = look(sample, "sql", "select profile_id from profiles.profiles").stdout
    assert f"100 of {sample_run.report['profiles']:,} rows" in shown


def test_segments_say_their_rules_and_who_came(sample: Command) -> None:
    shown = " ".join(look(sample, "segments").stdout.split())
    assert "repeat_customer" in shown
    assert "Bought twice or more: order count is at least 2" in shown


def test_rejects_can_be_narrowed_down(sample: Command) -> None:
    shown = look(sample, "rejects", "--source", "sendgrid", "--reason", "no_identifier").stdout
    assert shown.startswith("sendgrid no_identifier: email\n")
    assert "twilio" not in shown
    nothing = look(sample, "rejects", "--reason", "too_blue").stdout
    assert "No refused row matches" in nothing
    assert "sendgrid no_identifier" in nothing


def test_settings_show_their_origin_and_mask_secrets(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cdp.toml").write_text('default_region = "DE"\n')
    monkeypatch.chdir(tmp_path)
    shown = command("config", CDP_STORE_URL="postgresql+psycopg://me:hush@db.example.com/cdp?sslpassword=hush").stdout
    origins = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith("CDP_")}
    assert origins["CDP_DEFAULT_REGION"] == ["DE", "cdp.toml"]
    assert origins["CDP_PUBLIC_URL"][-1] == "default"
    assert "postgresql+psycopg://***@db.example.com/cdp" in shown
    assert origins["CDP_STORE_URL"][-1] == "environment"
    assert "hush" not in shown


def test_status_before_any_run_gives_a_hint_and_creates_nothing(command: Command, home: Path) -> None:
    assert "no runs yet" in command("status").stdout
    assert json.loads(command("status", "--json").stdout)["runs"] == []
    assert not home.exists()


def test_clients_are_added_and_removed(command: Command) -> None:
    added = json.loads(command("clients", "add", "sender", "--scope", "profiles:read", "--json").stdout)
    assert added.keys() == {"client_id", "client_secret"}
    rotated = json.loads(command("clients", "rotate", "sender", "--json").stdout)
    assert rotated["client_id"] == added["client_id"]
    assert rotated["client_secret"] != added["client_secret"]
    listed = json.loads(command("clients", "list", "--json").stdout)
    assert [(client["name"], client["scopes"]) for client in listed] == [("sender", ["profiles:read"])]
    assert added["client_secret"] not in command("clients", "list").stdout
    assert command("clients", "remove", "sender").exit_code == 0
    assert json.loads(command("clients", "list", "--json").stdout) == []


def test_a_client_with_a_secret_of_an_earlier_version_is_listed_as_one_to_rotate(command: Command, home: Path) -> None:
    assert command("clients", "add", "sender", "--scope", "profiles:read").exit_code == 0
    assert "earlier version" not in command("clients", "list").stdout
    with opened_store(Settings(home=home)) as store, store.write() as connection:
        connection.execute(clients.update().values(secret_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"))
    assert "Give it a new one: `cdp clients rotate sender`" in " ".join(command("clients", "list").stdout.split())
    assert [client["needs_rotation"] for client in json.loads(command("clients", "list", "--json").stdout)] == [True]
    assert command("clients", "rotate", "sender").exit_code == 0
    assert "earlier version" not in command("clients", "list").stdout


def test_a_taken_port_is_one_line(command: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = command("serve", "--port", str(taken.getsockname()[1]))
    assert answer.exit_code == 7
    assert "cannot listen: Address already in use" in answer.error


def test_a_replay_without_a_fix_resolves_nothing(command: Command, tmp_path: Path) -> None:
    log = jsonl(tmp_path / "logs" / "sendgrid.jsonl", [mail(number) for number in range(20)], broken_line=7)
    assert command("run", str(log)).exit_code == 0
    assert "0 of 1 refused rows are resolved" in command("replay").stdout
    assert "No row was refused for this reason" in command("replay", "--reason", "too_blue").stdout


def test_version_and_help(command: Command) -> None:
    assert command("--version").stdout.startswith("cdp ")
    assert "demo" in command().stdout


def test_debug_shows_the_traceback(command: Command, tmp_path: Path) -> None:
    good_log(tmp_path / "logs")
    answer = command("run", str(tmp_path / "nowhere"), "--debug")
    assert answer.exit_code == 4
    assert "Traceback" in answer.stderr
