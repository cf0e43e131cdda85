"""A run learns from its own data: the first that has enough, and one whose data have outgrown the model."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from identity.model import load_model
from identity.registry import model_in_use
from pipelines import flow
from tests.pipelines.runs import NOW, Told, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ungated")]

GIVEN = ["ann", "ben", "cara", "dan", "eve", "finn", "gwen", "hugo", "iris", "jon", "kate", "liam", "mia", "noah"]
SYLLABLES = ["bar", "cot", "den", "fal", "gri", "hol", "ket", "lom", "mar", "nor", "pel", "quin", "ros", "tan", "wes"]
MAPPING = """\
source: crm
kind: contacts
files: people*.csv
columns: {first_name: first, last_name: last, email: email, phone: phone, street: street, postcode: postcode}
"""
FIELDS = ("first", "last", "email", "phone", "street", "postcode")


def person(draw: random.Random) -> dict[str, str]:
    last = draw.choice(SYLLABLES) + draw.choice(SYLLABLES) + draw.choice(SYLLABLES)
    first = draw.choice(GIVEN)
    street = f"{draw.randint(1, 200)} {draw.choice(SYLLABLES)}{draw.choice(SYLLABLES)} street"
    email = f"{first}.{last}{draw.randint(1, 999)}@example.com"
    return {"first": first, "last": last, "email": email, "street": street, "postcode": f"{draw.randint(0, 99999):05}"}


def write_people(folder: Path, count: int, *, seed: int, phones: bool = False) -> Path:
    """A file of people, most of them described twice: by e-mail, then with another e-mail or a mistyped name."""
    draw = random.Random(seed)
    lines = [",".join(FIELDS)]
    for _ in range(count):
        one: Mapping[str, Any] = person(draw)
        again = {**one, "email": f"{one['first']}{draw.randint(1, 9999)}@example.org"}
        if draw.random() < 0.3:
            again["last"] = again["last"][:-1]
        for said in (one, again):
            phone = f"+1202555{draw.randint(0, 9999):04}" if phones else ""
            lines.append(
                ",".join([said["first"], said["last"], said["email"], phone, said["street"], said["postcode"]])
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crm.mapping.yaml").write_text(MAPPING)
    path = folder / f"people{seed}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


class Home:
    """A home that runs come to one after the other."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings_in(folder, **settings)

    def run(self, count: int, *, seed: int, phones: bool = False, full: bool = False) -> tuple[list[str], Any]:
        """Why the run trained a model, if it did, and its report."""
        watching = Told()
        inputs = [str(write_people(self.folder / "in", count, seed=seed, phones=phones))] if count else []
        report = flow.run(self.settings, inputs, watching, now=NOW, full=full)
        assert report.model == model_in_use(self.settings).version
        return watching.trained, report


def test_the_first_run_with_enough_people_trains_and_later_ones_keep_its_model(tmp_path: Path) -> None:
    home = Home(tmp_path)
    reasons, few = home.run(20, seed=1)
    assert reasons == [] and few.model == load_model().version and not few.model_trained
    reasons, first = home.run(300, seed=2)
    assert reasons == ["the shipped one was made of other people"] and first.model_trained
    assert (home.settings.home / "models" / first.model / "report.html").exists()
    reasons, later = home.run(50, seed=3)
    assert reasons == [] and later.model == first.model and not later.model_trained


def test_a_run_trains_again_when_the_data_have_outgrown_the_model(tmp_path: Path) -> None:
    home = Home(tmp_path)
    _, first = home.run(150, seed=1)
    assert first.model_trained
    reasons, with_phones = home.run(60, seed=2, phones=True)
    assert reasons == ["the one in use has hardly seen phone before"] and with_phones.model != first.model
    reasons, many = home.run(2200, seed=3, phones=True)
    assert reasons == ["the one in use was trained on 420 observations, of 4,820 now"]
    assert many.model not in (first.model, with_phones.model)


def test_training_keeps_the_ids_of_those_it_neither_merges_nor_splits(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run(150, seed=1)
    _, grown = home.run(60, seed=2, phones=True)
    assert grown.model_trained and grown.splits + grown.merges <= 0.02 * grown.profiles


def test_a_rebuild_uses_the_model_that_the_home_has(tmp_path: Path) -> None:
    home = Home(tmp_path)
    _, first = home.run(300, seed=1)
    reasons, rebuilt = home.run(0, seed=0, full=True)
    assert reasons == [] and (rebuilt.model, rebuilt.profiles, rebuilt.merges) == (first.model, first.profiles, 0)


def test_a_pinned_model_is_used_whatever_the_data(tmp_path: Path) -> None:
    home = Home(tmp_path, model="shipped")
    reasons, first = home.run(300, seed=1)
    assert reasons == [] and first.model == load_model().version


def test_what_is_too_little_to_train_on_is_tried_again_when_it_has_doubled(tmp_path: Path) -> None:
    """Each attempt examines everybody."""
    home = Home(tmp_path)

    def addresses(count: int) -> str:
        """People of whom nothing is known but an e-mail, which leaves a model nothing to weigh."""
        return "".join(f",,somebody{number}@example.com,,,\n" for number in range(count))

    def run(name: str, content: str) -> Told:
        path = write_people(tmp_path / "in", 0, seed=1).with_name(f"people_{name}.csv")
        path.write_text(",".join(FIELDS) + "\n" + content)
        told = Told()
        report = flow.run(home.settings, [str(path)], told, now=NOW)
        assert report.model == load_model().version
        return told

    first, again, doubled = (run(name, addresses(count)) for name, count in (("a", 110), ("b", 150), ("c", 230)))
    assert [len(one.trained) for one in (first, again, doubled)] == [1, 0, 1]
    assert [one.untrained for one in (first, again, doubled)] == [1, 0, 1]
