"""`cdp identity`, on the contacts and messages of a few fictitious people."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.e2e.command import ROOT, Command, cdp
from tests.e2e.conftest import Homes
from tests.e2e.logs import jsonl, mail

MAPPING = """
source: {source}
kind: contacts
files: "*"
columns: {{customer_id: id, first_name: first, last_name: last, email: email, phone: phone, date_of_birth: born,
           street: street, city: city}}
"""
COLUMNS = ("id", "first", "last", "email", "phone", "born", "street", "city")
ANN, MARRIED_ANN, ANNS_PHONE = "ann@example.com", "lindqvist@example.org", "+14155550101"
BOB, BOBS_PHONE = "bob@example.com", "+14155550102"

CRM = [
    ("C1", "Ann", "Lee", ANN, ANNS_PHONE, "1980-05-06", "1 Hill Road", "York"),
    ("C2", "Bob", "Marsh", BOB, BOBS_PHONE, "1971-02-03", "4 Mill Lane", "Leeds"),
    ("C3", "Ann", "Lindqvist", MARRIED_ANN, "", "", "", ""),
    # A father and his son, of one name and one mailbox.
    ("C4", "Karl", "Whitford Sr", "karl@example.com", "", "", "9 Elm Street", "Bath"),
    ("C5", "Karl", "Whitford Jr", "karl@example.com", "", "", "9 Elm Street", "Bath"),
    # Two of one name, and no more in common.
    ("C6", "Jane", "Corwin", "jane55@example.com", "", "1955-01-02", "7 Oak Row", "Hull"),
]
TILL = [
    ("T1", "", "", "", ANNS_PHONE, "", "", ""),
    ("T2", "", "", "", ANNS_PHONE, "", "", ""),
    ("T3", "Robert", "Marsh", "", BOBS_PHONE, "", "", ""),
    ("T6", "Jane", "Corwin", "mrs.jane@example.net", "", "", "31 Pond Lane", "Bath"),
    ("T4", "Kim", "Ros", "test@test.com", "", "", "", ""),
    ("T5", "Pat", "Dunn", "test@test.com", "", "", "", ""),
]


def contacts(folder: Path, source: str, rows: list[tuple[str, ...]]) -> None:
    folder.mkdir(parents=True)
    (folder / f"{source}.mapping.yaml").write_text(MAPPING.format(source=source))
    lines = [",".join(COLUMNS), *(",".join(row) for row in rows)]
    (folder / f"{source}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def people_home(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the people above; for copies."""
    folder = tmp_path_factory.mktemp("people")
    contacts(folder / "crm", "crm", CRM)
    contacts(folder / "till", "till", TILL)
    log = jsonl(folder / "sendgrid.jsonl", [mail(1, email=ANN), mail(2, email=BOB)])
    inputs = (str(folder / "crm"), str(folder / "till"), str(log))
    home, _ = homes.made_once("people", lambda home: cdp(home, "run", *inputs))
    return home


@pytest.fixture
def known(command: Command, people_home: Path, home: Path) -> Command:
    """The command, in a home that holds the people above."""
    shutil.copytree(people_home, home)
    return command


def profiles_of(command: Command, value: str) -> set[str]:
    """The profiles of the observations that carry an identifier."""
    answer = command(
        "sql",
        "select distinct profile_id from identity.identifiers join identity.members using (observation_id) "
        f"where valid_to_run is null and value = '{value}'",
        "--format",
        "json",
    )
    return {row["profile_id"] for row in json.loads(answer.stdout)}


def observation(command: Command, customer_id: str) -> str:
    query = f"select observation_id from conformed.observations where customer_id = '{customer_id}'"
    found: list[dict[str, str]] = json.loads(command("sql", query, "--format", "json").stdout)
    return found[0]["observation_id"]


def explained(command: Command, a: str, b: str) -> dict[str, Any]:
    answer = command("identity", "explain", a, b, "--json")
    assert answer.exit_code == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def run(command: Command) -> None:
    answer = command("run")
    assert answer.exit_code == 0, answer.stderr


class TestExplain:
    def test_two_identifiers_of_one_person_are_linked_by_a_chain_down_to_the_lines(self, known: Command) -> None:
        document = explained(known, "Ann@Example.com", "customer_id:till:T1")
        assert document["same_profile"]
        assert [(link["kind"], link["type"], link["value"]) for link in document["chain"]] == [
            ("exact", "phone", ANNS_PHONE)
        ]
        crm, till = document["observations"]
        assert (Path(crm["path"]).name, crm["line_number"]) == ("crm.csv", 2)
        assert (Path(till["path"]).name, till["line_number"]) == ("till.csv", 2)
        assert till["payload"]["phone"] == ANNS_PHONE

    def test_the_terminal_shows_files_lines_and_the_shared_value(self, known: Command) -> None:
        shown = known("identity", "explain", ANN, "customer_id:till:T1").stdout
        assert "crm.csv:2" in shown
        assert "till.csv:2" in shown
        assert f"phone: {ANNS_PHONE}" in shown

    def test_one_record_can_match_both(self, known: Command) -> None:
        document = explained(known, ANN, ANNS_PHONE)
        assert document["chain"] == []
        assert [row["source"] for row in document["observations"]] == ["crm"]

    def test_two_people_are_explained_by_the_evidence_for_and_against(self, known: Command) -> None:
        document = explained(known, ANN, BOB)
        assert not document["same_profile"]
        fields = {field["name"]: field for field in document["comparison"]["fields"]}
        assert (fields["given_name"]["left"], fields["given_name"]["right"]) == ("ann", "bob")
        assert fields["given_name"]["level"] == "different"
        assert fields["given_name"]["weight"] < 0
        weights = [field["weight"] for field in fields.values()]
        assert document["comparison"]["prior"] + sum(weights) == pytest.approx(document["comparison"]["weight"])

    def test_a_value_of_low_quality_is_shown_with_its_reason(self, known: Command) -> None:
        document = explained(known, "customer_id:till:T4", "customer_id:till:T5")
        (value,) = document["shared_values"]
        assert (value["value"], value["quality"]) == ("test@test.com", "junk")
        assert value["reason"]

    def test_a_refused_merge_shows_its_constraint(self, known: Command) -> None:
        document = explained(known, "customer_id:crm:C4", "customer_id:crm:C5")
        assert {refusal["constraint"] for refusal in document["refusals"]} == {"suffix"}
        shown = known("identity", "explain", "customer_id:crm:C4", "customer_id:crm:C5").stdout
        assert "their suffixes (jr, sr) conflict" in shown

    @pytest.mark.parametrize("other", [BOB, "customer_id:till:T3"])
    def test_the_chart_opens_offline(self, known: Command, tmp_path: Path, other: str) -> None:
        chart = tmp_path / "why.html"
        answer = known(
            "identity", "explain", "customer_id:crm:C2" if other != BOB else ANN, other, "--chart", str(chart)
        )
        assert answer.exit_code == 0, answer.stderr
        page = chart.read_text()
        assert "<script src" not in page
        assert "Starting match weight" in page
        assert "vegaEmbed" in page

    @pytest.mark.parametrize("pair", [("customer_id:till:T1", "customer_id:till:T2"), (ANN, ANNS_PHONE)])
    def test_a_chart_without_a_comparison_is_refused(
        self, known: Command, tmp_path: Path, pair: tuple[str, str]
    ) -> None:
        answer = known("identity", "explain", *pair, "--chart", str(tmp_path / "no.html"))
        assert answer.exit_code == 6
        assert answer.error.startswith("--chart: there is nothing to chart")
        assert not (tmp_path / "no.html").exists()

    @pytest.mark.parametrize(
        ("a", "says"),
        [
            ("nobody@example.com", "A: unknown email"),
            ("prf_00000000000000000000000000", "A: unknown profile"),
            ("0" * 32, "A: unknown observation"),
            ("email:not an address", "A: not a valid email"),
            ("somebody", "A: neither an id nor an identifier"),
        ],
    )
    def test_an_unknown_person_is_reported_without_the_address(self, known: Command, a: str, says: str) -> None:
        answer = known("identity", "explain", a, BOB)
        assert answer.exit_code == 2
        assert answer.error.startswith(says)
        assert "example" not in answer.error


class TestReview:
    def test_a_refused_pair_is_in_review_until_a_steward_decides(self, known: Command) -> None:
        answer = known("identity", "review", "--json")
        queue = json.loads(answer.stdout)
        assert [(pair["queue"], pair["reason"]) for pair in queue["pairs"]] == [("refused", "suffix")]
        assert "their suffixes (jr, sr) conflict" in known("identity", "review").stdout
        pair = queue["pairs"][0]
        ends = (pair["left_profile_id"], pair["right_profile_id"])
        assert known("identity", "unlink", *ends, "--reason", "father and son").exit_code == 0
        assert json.loads(known("identity", "review", "--json").stdout) == {"waiting": 0, "pairs": []}
        run(known)
        assert known("identity", "review").stdout == "There are no pairs to review.\n"


class TestDecisions:
    def test_a_link_applies_from_the_next_run_on_and_shows_its_author(self, known: Command) -> None:
        assert profiles_of(known, ANN) != profiles_of(known, MARRIED_ANN)
        answer = known("identity", "link", ANN, MARRIED_ANN, "--reason", "called her", "--author", "sue")
        assert answer.exit_code == 0, answer.stderr
        assert "The next `cdp run` merges their profiles." in answer.stdout
        for _ in range(2):
            run(known)
            assert profiles_of(known, ANN) == profiles_of(known, MARRIED_ANN)
        (link,) = explained(known, ANN, MARRIED_ANN)["chain"]
        assert link["kind"] == "steward"
        assert (link["decision"]["author"], link["decision"]["reason"]) == ("sue", "called her")

    def test_an_unlink_of_the_same_two_overrides_a_link(self, known: Command) -> None:
        ends = sorted([*profiles_of(known, ANN), *profiles_of(known, MARRIED_ANN)])
        known("identity", "link", *ends, "--reason", "one name")
        run(known)
        # One of the two ids is retired now; it means what was in it.
        answer = known("identity", "unlink", *ends, "--reason", "namesakes", "--author", "sue")
        assert answer.exit_code == 0, answer.stderr
        shown = " ".join(known("identity", "explain", ANN, MARRIED_ANN).stdout.split())
        assert "linked by a steward; the next run splits them: unlinked by sue" in shown
        run(known)
        assert profiles_of(known, ANN).isdisjoint(profiles_of(known, MARRIED_ANN))

    def test_an_unlink_by_other_identifiers_overrides_a_link_too(self, known: Command) -> None:
        known("identity", "link", "customer_id:till:T1", MARRIED_ANN, "--reason", "one name")
        run(known)
        assert profiles_of(known, ANN) == profiles_of(known, MARRIED_ANN)
        known("identity", "unlink", ANN, MARRIED_ANN, "--reason", "namesakes")
        run(known)
        assert profiles_of(known, ANN).isdisjoint(profiles_of(known, MARRIED_ANN))
        assert profiles_of(known, "till:T1") == profiles_of(known, ANN)

    def test_an_unlink_separates_all_matching_observations_and_those_that_match_both_stay_with_the_first(
        self, known: Command
    ) -> None:
        assert profiles_of(known, "till:T1") == profiles_of(known, ANN)
        answer = known("identity", "unlink", ANN, ANNS_PHONE, "--reason", "a friend's phone")
        assert answer.exit_code == 0, answer.stderr
        assert "match both: 1." in answer.stdout
        for arguments in ((), ("--full",)):
            assert known("run", *arguments).exit_code == 0
            assert profiles_of(known, "till:T1").isdisjoint(profiles_of(known, ANN))
            assert profiles_of(known, "till:T2").isdisjoint(profiles_of(known, ANN))
            assert profiles_of(known, "crm:C1") == profiles_of(known, ANN)
            assert len(profiles_of(known, ANN)) == 1

    def test_an_unlink_of_two_observations_separates_these_two(self, known: Command) -> None:
        ends = (observation(known, "C2"), observation(known, "T3"))
        assert profiles_of(known, "crm:C2") == profiles_of(known, "till:T3")
        assert known("identity", "unlink", *ends, "--reason", "two men").exit_code == 0
        run(known)
        assert profiles_of(known, "crm:C2").isdisjoint(profiles_of(known, "till:T3"))

    @pytest.mark.parametrize(
        ("verb", "ends", "exit_code", "says"),
        [
            ("link", (ANN, ANNS_PHONE), 2, "A and B: already the same person"),
            ("link", ("test@test.com", BOB), 2, "A: found in 2 profiles"),
            ("unlink", (MARRIED_ANN, "customer_id:crm:C3"), 6, "A and B: every observation with the one"),
        ],
    )
    def test_an_impossible_decision_is_refused_in_one_line(
        self, known: Command, verb: str, ends: tuple[str, str], exit_code: int, says: str
    ) -> None:
        answer = known("identity", verb, *ends, "--reason", "because")
        assert answer.exit_code == exit_code
        assert answer.error.startswith(says)


class TestPreview:
    def test_the_model_in_use_changes_nothing(self, known: Command) -> None:
        shipped = str(ROOT / "identity" / "model.json")
        document = json.loads(known("identity", "preview", "--model", shipped, "--json").stdout)
        assert (document["merged"], document["split"], document["observations_moved"]) == (0, 0, 0)
        assert document["profiles"]["before"] == document["profiles"]["after"]

    def test_a_model_that_links_everyone_merges_in_the_preview_only(self, known: Command, tmp_path: Path) -> None:
        before = {value: profiles_of(known, value) for value in ("crm:C6", "till:T6")}
        eager = tmp_path / "eager.json"
        eager.write_text(json.dumps(made_eager(json.loads((ROOT / "identity" / "model.json").read_text()))))
        answer = known("identity", "preview", "--model", str(eager), "--json")
        assert answer.exit_code == 0, answer.stderr
        document = json.loads(answer.stdout)
        joined = {part["profile_id"] for merge in document["merges"] for part in merge["profiles"]}
        assert joined >= before["crm:C6"] | before["till:T6"]
        assert document["profiles"]["after"] < document["profiles"]["before"]
        assert "would merge" in known("identity", "preview", "--model", str(eager)).stdout
        run(known)
        assert {value: profiles_of(known, value) for value in before} == before


def made_eager(model: Mapping[str, Any]) -> dict[str, Any]:
    """The same model, for which any two are one person by odds of a million to one."""
    return {**model, "version": "eager", "match_rate": 0.999999}


class TestEvaluate:
    RECORDS = "record_id,first_name,last_name,email,phone\n"
    ROWS = (
        "1,Ann,Lee,ann@example.com,\n2,,,ANN@example.com,+14155550101\n3,,,,(415) 555-0101\n4,Bob,Roe,,\n5,Bo,Roe,,\n"
    )
    TRUTH = "record_id,entity_id\n1,ann\n2,ann\n3,ann\n4,bob\n5,bob\n"

    def files(self, folder: Path, records: str = RECORDS + ROWS, truth: str = TRUTH) -> tuple[str, str]:
        (folder / "records.csv").write_text(records)
        (folder / "truth.csv").write_text(truth)
        return str(folder / "records.csv"), str(folder / "truth.csv")

    def test_the_figures(self, command: Command, tmp_path: Path) -> None:
        records, truth = self.files(tmp_path)
        answer = command("identity", "evaluate", records, "--truth", truth, "--json")
        assert answer.exit_code == 0, answer.stderr
        document = json.loads(answer.stdout)
        assert list(document)[:6] == ["records", "pairwise", "b3", "exact_clusters", "entities", "seconds"]
        assert document["records"] == 5
        assert document["pairwise"] == {"precision": 1.0, "recall": 0.75, "f1": pytest.approx(6 / 7)}
        assert document["b3"]["recall"] == pytest.approx((3 + 2 * 0.5) / 5)
        assert document["exact_clusters"] == 0.5
        assert document["entities"] == {"predicted": 3, "true": 2}

    def test_what_was_resolved_is_written(self, command: Command, tmp_path: Path) -> None:
        records, truth = self.files(tmp_path)
        found = tmp_path / "found.csv"
        arguments = ("identity", "evaluate", records, "--truth", truth, "--predictions", str(found))
        assert command(*arguments).exit_code == 0
        rows = pl.read_csv(found, infer_schema=False)
        assert rows.columns == ["record_id", "cluster_id"] and set(rows["record_id"]) == set("12345")
        clusters = dict(rows.iter_rows())
        assert clusters["1"] == clusters["2"] == clusters["3"] != clusters["4"]
        assert command(*arguments[:-1], str(tmp_path / "nowhere" / "found.csv")).exit_code != 0

    def test_examples_of_the_worst_errors_are_shown(self, command: Command, tmp_path: Path) -> None:
        truth = self.TRUTH.replace("3,ann", "3,kim")
        shown = command(
            "identity",
            "evaluate",
            self.files(tmp_path, truth=truth)[0],
            "--truth",
            self.files(tmp_path, truth=truth)[1],
        ).stdout
        merges, misses = shown.split("Worst misses")
        assert "(415) 555-0101" in merges
        assert "Bob" in misses

    def test_the_same_records_as_parquet_give_the_same_figures(self, command: Command, tmp_path: Path) -> None:
        records, truth = self.files(tmp_path)
        for path in (records, truth):
            pl.read_csv(path).write_parquet(Path(path).with_suffix(".parquet"))
        as_parquet = (str(tmp_path / "records.parquet"), str(tmp_path / "truth.parquet"))
        figures = [
            json.loads(command("identity", "evaluate", one, "--truth", other, "--json").stdout)
            for one, other in ((records, truth), as_parquet)
        ]
        for one in figures:
            del one["seconds"]
        assert figures[0] == figures[1]

    @pytest.mark.parametrize(
        ("records", "truth", "exit_code", "says"),
        [
            ("", TRUTH, 4, "records.csv: the file is empty"),
            (RECORDS, TRUTH, 4, "records.csv: the file has no rows"),
            ("record_id,name\n1,Ann\n", TRUTH, 4, "records.csv: unknown columns: name"),
            ("first_name\nAnn\n", TRUTH, 4, "records.csv: missing columns: record_id"),
            ("Ann,Lee,ann@example.com\nBob,Roe,bob@example.com\n", TRUTH, 4, "records.csv: missing columns: record_id"),
            (RECORDS + ROWS + "5,Kim,Ros,,\n", TRUTH, 4, "records.csv:7: duplicate record_id"),
            (RECORDS + ROWS + ",Kim,Ros,,\n", TRUTH, 4, "records.csv:7: record_id is missing"),
            ("record_id,email\n1,a,b,c,d\n2\n", TRUTH, 4, "records.csv: not a table"),
            (RECORDS + ROWS, "record_id,person\n1,ann\n", 4, "truth.csv: missing columns: entity_id"),
            (RECORDS + ROWS, TRUTH + "5,kim\n", 6, "truth.csv:7: duplicate record_id"),
            (RECORDS + ROWS, TRUTH + "6,kim\n", 6, "truth.csv: the truth does not match the records"),
            (RECORDS + ROWS, "record_id,entity_id\n1,ann\n", 6, "truth.csv: the truth does not match the records"),
            (RECORDS + ROWS, TRUTH + "6,\n", 6, "truth.csv:7: entity_id is missing"),
        ],
    )
    def test_invalid_files_are_refused_in_one_line(
        self, command: Command, tmp_path: Path, records: str, truth: str, exit_code: int, says: str
    ) -> None:
        paths = self.files(tmp_path, records, truth)
        answer = command("identity", "evaluate", paths[0], "--truth", paths[1])
        assert answer.exit_code == exit_code
        assert says in answer.error
        assert "@" not in answer.error

    def test_a_broken_model_is_an_identity_problem(self, command: Command, tmp_path: Path) -> None:
        records, truth = self.files(tmp_path)
        (tmp_path / "model.json").write_text('{"version": "x"}')
        answer = command("identity", "evaluate", records, "--truth", truth, "--model", str(tmp_path / "model.json"))
        assert answer.exit_code == 6
        assert "model.json: not a linkage model" in answer.error

    def test_missing_files_are_named(self, command: Command, tmp_path: Path) -> None:
        answer = command("identity", "evaluate", "nowhere.csv", "--truth", "no-truth.csv")
        assert answer.exit_code == 4
        assert answer.error.startswith("nowhere.csv: cannot be read")

    @pytest.mark.parametrize("arguments", [(), ("records.csv", "--published")])
    def test_records_and_published_exclude_each_other(self, command: Command, arguments: tuple[str, ...]) -> None:
        answer = command("identity", "evaluate", *arguments, "--truth", "truth.csv")
        assert answer.exit_code == 2
        assert answer.error == "either RECORDS or --published is required, but not both"

    def test_published_profiles_are_evaluated_against_their_truth(self, known: Command, tmp_path: Path) -> None:
        lines = [("crm.csv", 2, "ann"), ("till.csv", 2, "ann"), ("till.csv", 3, "kim"), ("crm.csv", 3, "bob")]
        truth = tmp_path / "truth.csv"
        truth.write_text("file,line_number,person_id\n" + "".join(f"{f},{n},{p}\n" for f, n, p in lines))
        answer = known("identity", "evaluate", "--published", "--truth", str(truth), "--json")
        assert answer.exit_code == 0, answer.stderr
        document = json.loads(answer.stdout)
        assert (document["records"], document["entities"]) == (4, {"predicted": 2, "true": 3})
        assert document["pairwise"]["precision"] == pytest.approx(1 / 3)
        truth.write_text("file,line_number,person_id\nelsewhere.csv,1,ann\n")
        assert known("identity", "evaluate", "--published", "--truth", str(truth)).exit_code == 6
