"""Evaluation: the accuracy of derived scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, print_json, published

if TYPE_CHECKING:
    from pipelines.evaluation.backtest_channels import ChannelEvaluation
    from pipelines.evaluation.backtest_hours import HourEvaluation
    from pipelines.evaluation.behaviour import Evaluation
    from pipelines.evaluation.measures import Bin, Estimate
    from pipelines.evaluation.truth import TruthEvaluation

app = typer.Typer(name="evaluate", help="Evaluation: the accuracy of derived scores.")


@app.callback()
def evaluate_group() -> None:
    """Evaluation: the accuracy of derived scores."""


@app.command("behaviour")
def behaviour(
    truth: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder written by `cdp simulate`; also compare with its truth.csv."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Backtest channel preference and best time: fit on the earlier messages, predict the later ones.

    Writes a report with reliability curves, and the curves as PNG files, to CDP_HOME/reports/behaviour.

    Examples: cdp evaluate behaviour
    · cdp evaluate behaviour --truth logs --json
    """
    from cdp.decision.policy import load_policy
    from pipelines.evaluation.behaviour import evaluate
    from pipelines.evaluation.report import write_report

    settings = load_settings()
    rules = load_policy(settings.policy).scores
    with published(settings) as warehouse:
        evaluation = evaluate(warehouse, rules, truth)
    files = [str(path) for path in write_report(evaluation, settings.home / "reports" / "behaviour")]
    if as_json:
        print_json({**evaluation.document(), "files": files})
    else:
        _show(evaluation, files)


def _show(evaluation: Evaluation, files: list[str]) -> None:
    if evaluation.cut:
        period = f"from {terminal.minute(evaluation.cut)} to {terminal.minute(evaluation.as_of)}"
        terminal.say(f"Backtest {period}, predicted from earlier data.")
    _show_channels(evaluation.channels)
    _show_hours(evaluation.hours)
    if evaluation.truth:
        _show_truth(evaluation.truth)
    terminal.out.print(f"\nReliability curves: {files[0]}", markup=False, soft_wrap=True)


def _show_channels(found: ChannelEvaluation | None) -> None:
    terminal.heading("Channel preference")
    if found is None:
        terminal.say("Insufficient data: too few messages or responses in the last fifth of the period.")
        return
    terminal.say(
        f"{found.messages:,} messages to {found.people:,} people, predicted from {found.earlier_messages:,}; "
        f"half-life {found.half_life_days:g} days."
    )
    rows = [[one.rule, _nats(one.log_loss), _nats(one.brier), _above(one.worse_by)] for one in found.rules]
    _table(["rule", "log-loss", "Brier", "log-loss above the score's"], rows)
    _show_deciles(found.deciles)
    if found.top1:
        share = f"{_share(found.top1)} of the people who responded and had a choice of channels"
        terminal.say(f"It predicted the best channel for {share}.")
    if found.policies:
        policies = [
            [one.policy, one.messages, _share(one.answer_rate), _share(one.below_best_by)] for one in found.policies
        ]
        _table(["policy", "messages", "responded", "below the best score's"], policies)


def _show_hours(found: HourEvaluation | None) -> None:
    terminal.heading("Best time")
    if found is None:
        terminal.say("Insufficient data: too few opens in the last fifth of the period by people with earlier opens.")
        return
    terminal.say(f"{found.opens:,} opens by {found.people:,} people, predicted from {found.earlier_opens:,}.")
    rows = [
        [one.rule, _nats(one.log_loss), _above(one.worse_by), _share(one.hit_rate), _share(one.fewer_hits_by)]
        for one in found.rules
    ]
    _table(["hours of", "log-loss", "above the person's", "opens within 1 h", "below the person's"], rows)
    _show_deciles(found.deciles)


def _show_deciles(deciles: list[Bin]) -> None:
    rows = [[one.cases, f"{one.predicted:.2%}", f"{one.happened:.2%}", f"{100 * one.gap:+.2f}"] for one in deciles]
    _table(["cases", "predicted", "observed", "gap, points"], rows)


def _show_truth(found: TruthEvaluation) -> None:
    terminal.heading("Against the truth")
    named = {"best channel": found.channel, "best hour, within one": found.hour}
    rows = [[name, one.people, f"{one.named:.1%}", f"{one.allowed:.1%}"] for name, one in named.items() if one]
    _table(["prediction", "people", "correct", "upper bound"], rows)
    terminal.say(
        "Upper bound: the share correct on the same messages if the true distribution of rates and hours is known."
    )
    if found.held is not None:
        terminal.say(
            f"The 90% interval covers the true rate for {found.held:.1%} of people and channels with messages."
        )


def _table(columns: list[str], rows: list[list[Any]]) -> None:
    terminal.out.print(terminal.table(columns, rows))


def _nats(value: float) -> str:
    return f"{value:.4f}"


def _above(one: Estimate) -> str:
    return f"{one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f})"


def _share(one: Estimate) -> str:
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"
