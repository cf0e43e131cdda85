"""Identity resolution: train and evaluate models, explain and review links, decide, preview another model."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
import typer

from cdp.cli import identity_screens as screens
from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json, published
from cdp.errors import UsageError
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.warehouse import Warehouse
    from identity.evaluate import Evaluation
    from identity.references import Reference

app = typer.Typer(name="identity", help="Identity resolution: train, evaluate, explain, review, decide, preview.")

# The default seed of the samples drawn in training.
SEED = 1
REFERENCE = "A profile id, an observation id, TYPE:VALUE, or a bare e-mail address or phone number."
First = Annotated[str, typer.Argument(metavar="A", help=REFERENCE)]
Second = Annotated[str, typer.Argument(metavar="B", help="The other one, in the same form.")]
Reason = Annotated[str, typer.Option(help="The reason, kept with the decision.")]
Author = Annotated[str | None, typer.Option(help="The author of the decision; by default the current user.")]


@app.command()
def train(
    seed: Annotated[int, typer.Option(help="Random seed; the same seed and data give the same model.")] = SEED,
    activate: Annotated[bool, typer.Option(help="Use the model from the next run on.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a linkage model on the published records, without labels.

    The model and a self-contained report are written to models/ in CDP_HOME; models/current names the model in use.

    Examples: cdp identity train · cdp identity train --no-activate, then cdp identity preview --model VERSION
    """
    from identity.registry import REPORT, keep_model, use_model
    from identity.train import train_on_published
    from identity.training_report import report

    settings = load_settings()
    with published(settings) as warehouse:
        model = train_on_published(warehouse, _patterns(settings), seed=seed)
    folder = keep_model(settings.home, model, report(model))
    if activate:
        use_model(settings.home, model.version)
    document = {
        "version": model.version,
        "active": activate,
        "threshold": model.threshold,
        **model.training,
        "report": str(folder / REPORT),
    }
    if as_json:
        print_json(document)
    else:
        screens.show_training(document)


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Option(help="CSV or Parquet: record_id, entity_id.")],
    records: Annotated[
        Path | None,
        typer.Argument(metavar="RECORDS", help="CSV or Parquet: record_id and the columns that describe a record."),
    ] = None,
    of_published: Annotated[
        bool,
        typer.Option(
            "--published", help="Evaluate the published profiles; TRUTH is then the truth.csv of `cdp simulate`."
        ),
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="FILE|VERSION|shipped", help="A model; trained on RECORDS by default.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write what was resolved to this file, as CSV: record_id, cluster_id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate the resolver against a truth that it does not see.

    A model is trained on RECORDS first, without labels, as in `cdp identity train`. If there are too few records, the
    shipped model is used.

    RECORDS has record_id and any of the columns of conformed.observations. The output is the pairwise and B³
    precision, recall and F1, the share of true entities that are exactly one cluster, and examples of the worst errors.

    Examples: cdp identity evaluate people.csv --truth truth.csv --json
    · cdp identity evaluate people.csv --truth truth.csv --predictions found.csv
    · cdp identity evaluate --published --truth logs/truth.csv
    """
    from cdp.warehouse import disk_errors

    if (records is None) is not of_published:
        raise UsageError("either RECORDS or --published is required, but not both")
    if of_published and model:
        raise UsageError("--model cannot be combined with --published", hint="Try `cdp identity preview --model FILE`")
    settings, begun = load_settings(), monotonic()
    if records:
        rows, evaluation, used = _of_records(settings, records, truth, model)
    else:
        rows, evaluation = _of_published(settings, truth)
        used = "the model of the published run"
    figures = {
        **evaluation.figures(),
        "seconds": round(monotonic() - begun, 3),
        "evidence": evaluation.evidence(),
        "model": used,
    }
    if predictions:
        with disk_errors(predictions):
            evaluation.records.select("record_id", "cluster_id").write_csv(predictions)
    if as_json:
        print_json(figures)
    else:
        screens.show_evaluation(figures, evaluation, rows)


@app.command()
def explain(
    a: First,
    b: Second,
    chart: Annotated[
        Path | None, typer.Option(help="Write a waterfall chart of the weights to this file, as HTML.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain why two references are one person, or why not, down to the lines of the logs.

    Within one profile: the strongest chain of evidence between the two. For two profiles: the evidence for and against.

    Examples: cdp identity explain ann@example.com +14155550123
    · cdp identity explain customer_id:crm:C-17 prf_… --chart why.html
    """
    from cdp.warehouse import disk_errors
    from identity.explain import Explainer
    from identity.registry import model_in_use

    settings = load_settings()
    decisions = _standing_decisions(settings)
    with published(settings) as warehouse:
        left, right = _meant(warehouse, settings, a, b)
        explainer = Explainer(warehouse, decisions, model_in_use(settings), _patterns(settings))
        explanation = explainer.explain(left, right)
        if chart:
            with disk_errors(chart):
                chart.write_text(explainer.chart(explanation), encoding="utf-8")
    if as_json:
        print_json(explanation.document)
    else:
        screens.show_explanation(explanation.document)
        if chart:
            terminal.say(f"\nThe weights as a chart: {chart}")


@app.command()
def review(
    limit: Annotated[int, typer.Option(min=1, help="How many pairs to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List pairs of profiles for clerical review: refused by a constraint, or just below the threshold.

    Example: cdp identity review --limit 5
    """
    from identity.review import golden_records, queue

    settings = load_settings()
    decisions = _standing_decisions(settings)
    with published(settings) as warehouse:
        pairs = queue(warehouse, decisions)
        shown = pairs.head(limit)
        people = golden_records(warehouse, shown)
    if as_json:
        print_json({"waiting": pairs.height, "pairs": shown.to_dicts()})
    else:
        screens.show_review(shown, people, pairs.height)


@app.command()
def link(a: First, b: Second, reason: Reason, author: Author = None) -> None:
    """Record that two references are one person. Applies to every later run, until they are unlinked.

    Example: cdp identity link ann@example.com ann.lee@example.com --reason "called her"
    """
    from identity.decisions import pair_to_link
    from identity.references import people_meant

    settings = load_settings()
    with published(settings) as warehouse:
        left, right = (people_meant(warehouse, one) for one in _named(settings, a, b))
    pair = pair_to_link(left, right)
    _decide(settings, "link", [pair], reason, author)
    screens.show_linked(pair, together=left["profile_id"][0] == right["profile_id"][0])


@app.command()
def unlink(a: First, b: Second, reason: Reason, author: Author = None) -> None:
    """Record that two references are different people. Applies to every later run and overrides a `link` of the two.

    Observations that match both stay with A.

    Example: cdp identity unlink ann@example.com phone:+14155550123 --reason "a friend's phone"
    """
    from identity.decisions import overridden_links, pairs_to_unlink

    settings = load_settings()
    decisions = _standing_decisions(settings)
    with published(settings) as warehouse:
        left, right = _meant(warehouse, settings, a, b)
        pairs = pairs_to_unlink(left, right)
        undone = overridden_links(warehouse, left, right, decisions.filter(pl.col("kind") == "link"))
    _decide(settings, "unlink", [*pairs.iter_rows(), *undone.iter_rows()], reason, author)
    both = left.join(right, on="observation_id", how="semi").height
    screens.show_unlinked(pairs, both, apart=set(left["profile_id"]).isdisjoint(right["profile_id"]))


@app.command()
def preview(
    model: Annotated[
        str | None, typer.Option(metavar="FILE|VERSION|shipped", help="The model to try; the one in use by default.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many profiles to show of each kind.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the profiles that a model would merge or split. Nothing is published.

    Steward decisions since the last run are applied, as the next run would.

    Example: cdp identity preview --model candidate.json
    """
    from identity.preview import preview as resolve_again
    from identity.registry import model_in_use, named_model
    from pipelines.link import remembered

    settings = load_settings()
    candidate = named_model(settings.home, model) if model else model_in_use(settings)
    with opened_store(settings) as store:
        known = remembered(store)
    with published(settings) as warehouse:
        changes = resolve_again(warehouse, known, candidate, _patterns(settings)).as_document()
    if as_json:
        print_json({"model": candidate.version, **changes})
    else:
        screens.show_preview(changes, candidate.version, limit)


def _of_records(settings: Settings, path: Path, truth: Path, named: str | None) -> tuple[pl.DataFrame, Evaluation, str]:
    """The records, the evaluation of the resolver on them, and a description of the model used."""
    from cdp.normalise import read_countries
    from identity.evaluate import evaluate_records
    from identity.model import load_model
    from identity.records import read_records, read_truth
    from identity.registry import named_model

    records = read_records(path)
    told = read_truth(truth, records)
    patterns, countries = _patterns(settings), read_countries(settings.reference)
    region, today = settings.default_region, datetime.now(UTC).date()
    asked = named_model(settings.home, named) if named else None
    evaluation, model = evaluate_records(records, told, asked, patterns, countries, default_region=region, today=today)
    if named:
        used = "as requested"
    elif model == load_model():
        used = "the shipped one: there is too little to train on"
    else:
        used = "trained on these records, without labels"
    return records, evaluation, f"{model.version}, {used}"


def _of_published(settings: Settings, truth: Path) -> tuple[pl.DataFrame, Evaluation]:
    from pipelines.demo import evaluate as evaluate_published

    with published(settings) as warehouse:
        rows = warehouse.query(
            "select observation_id as record_id, source, first_name, last_name, email, phone, "
            "date_of_birth::varchar as date_of_birth, street, city from conformed.observations"
        )
        return rows, evaluate_published(warehouse, truth)


def _named(settings: Settings, a: str, b: str) -> tuple[Reference, Reference]:
    from identity.references import parse

    return parse(a, "A", settings.default_region), parse(b, "B", settings.default_region)


def _meant(warehouse: Warehouse, settings: Settings, a: str, b: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    from identity.references import members_meant

    left, right = _named(settings, a, b)
    return members_meant(warehouse, left), members_meant(warehouse, right)


def _decide(
    settings: Settings,
    kind: Literal["link", "unlink"],
    pairs: Iterable[tuple[str, str]],
    reason: str,
    author: str | None,
) -> None:
    from cdp.people.stewards import add_steward_decision

    now, decided_by = datetime.now(UTC), author or getpass.getuser()
    with opened_store(settings) as store, store.write() as connection:
        for pair in dict.fromkeys(pairs):
            add_steward_decision(connection, kind, *pair, decided_by, reason, now)


def _standing_decisions(settings: Settings) -> pl.DataFrame:
    from cdp.people.stewards import standing_steward_decisions

    with opened_store(settings) as store, store.read() as connection:
        return standing_steward_decisions(connection)


def _patterns(settings: Settings) -> pl.DataFrame:
    from identity.patterns import load_patterns

    return load_patterns(*settings.identifier_value_lists)
