"""The terminal output of `cdp identity`. Personal data is printed to the user's own terminal only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cdp.cli import terminal
from cdp.cli.terminal import heading, out, say

# The number of examples shown of each kind of error.
EXAMPLES = 3
SIDES = ("left", "right")
REASONS = {
    "date_of_birth": "their dates of birth conflict",
    "given_name": "their given names conflict",
    "suffix": "their suffixes (jr, sr) conflict",
    "steward_unlink": "unlinked by a steward",
    "claim": "only what a write key has claimed joins them",
    "below_threshold": "similar, but below the model's threshold",
}


def show_evaluation(figures: Mapping[str, Any], evaluation: Any, rows: pl.DataFrame) -> None:
    """An evaluation's figures and its worst errors. `rows`: record_id and the columns that describe each record."""
    heading("Against the truth")
    measures = [[title, *figures[key].values()] for title, key in (("pairs", "pairwise"), ("B³", "b3"))]
    out.print(terminal.table(["measure", "precision", "recall", "F1"], measures))
    entities, evidence = figures["entities"], figures["evidence"]
    say(
        f"\n{figures['records']:,} records, {entities['true']:,} true entities, {entities['predicted']:,} found; "
        f"{figures['exact_clusters']:.1%} of the true ones recovered exactly."
    )
    say(
        f"Of {evidence['true_pairs']:,} true pairs {evidence['with_evidence']:,} share any evidence, "
        f"and {evidence['recall_of_those']:.1%} of those are found. {figures['seconds']:,} seconds."
    )
    say(f"Model: {figures['model']}.")
    merges, misses = evaluation.over_merges(EXAMPLES), evaluation.misses(EXAMPLES)
    _show_examples("Worst over-merges: different entities in one cluster", merges, rows, by="entity_id")
    _show_examples("Worst misses: one entity in different clusters", misses, rows, by="cluster_id")


def show_explanation(document: Mapping[str, Any]) -> None:
    """Why two references are one profile, or why they are two."""
    if document["same_profile"]:
        _show_chain(document)
    else:
        _show_two_people(document)


def show_review(pairs: pl.DataFrame, people: pl.DataFrame, waiting: int) -> None:
    """The review queue. `people`: the golden record of each profile."""
    if not waiting:
        say("There are no pairs to review.")
        return
    for number, pair in enumerate(pairs.iter_rows(named=True), 1):
        heading(f"{number}. {_reason(pair['reason'])}")
        say(f"{pair['left_profile_id']} and {pair['right_profile_id']}")
        two = pl.DataFrame({"profile_id": [pair["left_profile_id"], pair["right_profile_id"]]})
        _show_beside(two.join(people, on="profile_id", how="left", maintain_order="left").drop("profile_id"))
        say(f"evidence for a match: {pair['rule']}, probability {pair['probability']:.4f}")
    say(f"\n{pairs.height:,} of {waiting:,} pairs. Explain a pair or decide on it by two of its ids:")
    say("  cdp identity explain A B")
    say("  cdp identity link A B --reason …     cdp identity unlink A B --reason …")


def show_linked(pair: tuple[str, str], *, together: bool) -> None:
    """A steward's link, as recorded."""
    say(f"Recorded: observations {pair[0]} and {pair[1]} are one person.")
    say("They are one profile already and stay one." if together else "The next `cdp run` merges their profiles.")


def show_unlinked(pairs: pl.DataFrame, both: int, *, apart: bool) -> None:
    """A steward's unlink, as recorded. `both`: the number of observations that match both sides."""
    left, right = (pairs[name].n_unique() for name in ("left_id", "right_id"))
    say(f"Recorded: {left:,} and {right:,} observations are different people ({pairs.height:,} pairs).")
    if both:
        say(f"Observations that match both: {both:,}. They stay on one side; correct them at their source.")
    say("They are two profiles already and stay two." if apart else "The next `cdp run` splits their profile.")


def show_training(document: Mapping[str, Any]) -> None:
    """The trained model and its training data."""
    heading(f"Identity model {document['version']}")
    seen = ("observations", "super_records", "pairs", "candidate_pairs", "random_pairs", "known_matches")
    rows = [[name.replace("_", " "), document[name]] for name in (*seen, "rounds", "expected_matches", "joined_pairs")]
    out.print(terminal.table(["training data", "count"], rows))
    say(
        f"\nTwo records are linked at a probability of {document['threshold']:.4f} or more; "
        f"{document['expected_wrong_share']:.2%} of these links are expected to be wrong."
    )
    unseen = document["levels_no_match_showed"]
    if unseen:
        named = "; ".join(f"{name}: {', '.join(levels)}" for name, levels in unseen.items())
        say(f"Comparison levels without any match: {named}.")
        say("These levels keep the weights of the prior.")
    say(f"Report with charts: {document['report']}")
    if document["active"]:
        say("The next `cdp run` uses this model. To preview its changes: cdp identity preview")
    else:
        say(f"The model is not in use. To preview its changes: cdp identity preview --model {document['version']}")


def show_preview(changes: Mapping[str, Any], version: str, limit: int) -> None:
    """The profiles that another model would merge or split."""
    profiles = changes["profiles"]
    say(
        f"With the model {version}: {profiles['before']:,} profiles become {profiles['after']:,}; "
        f"{changes['observations_moved']:,} observations move."
    )
    _show_changed("merge", changes["merges"], "profiles", limit)
    _show_changed("split", changes["splits"], "parts", limit)


def _show_changed(verb: str, changed: Sequence[Mapping[str, Any]], parts: str, limit: int) -> None:
    if not changed:
        say(f"No profile would {verb}.")
        return
    heading(f"{len(changed):,} profiles would {verb}")
    rows = [
        [
            one["profile_id"],
            one["observations"],
            ", ".join(f"{p['profile_id']} ({p['observations']:,})" for p in one[parts]),
        ]
        for one in changed[:limit]
    ]
    out.print(terminal.table(["profile", "observations", "from" if verb == "merge" else "into"], rows))
    if len(changed) > limit:
        say(f"{limit:,} of {len(changed):,}; --limit shows more, --json all")


def _show_examples(title: str, examples: Sequence[pl.DataFrame], rows: pl.DataFrame, *, by: str) -> None:
    """For every example, a record of each of its two largest parts, side by side."""
    heading(title)
    if not examples:
        say("none")
    for example in examples:
        largest = example.sort(pl.len().over(by), descending=True, maintain_order=True).unique(
            by, keep="first", maintain_order=True
        )
        pair = largest.head(2).select("record_id", "entity_id", "cluster_id")
        _show_beside(pair.join(rows, on="record_id", how="left", maintain_order="left"))
        say(f"two of {example.height:,} records, in {example[by].n_unique():,} parts\n")


def _show_beside(two: pl.DataFrame) -> None:
    """Two rows side by side, without the columns that are empty in both."""
    sides = [[name, *two[name]] for name in two.columns if two[name].null_count() < two.height]
    out.print(terminal.table(["", *SIDES], sides, folding=SIDES))


def _reason(code: str) -> str:
    return REASONS.get(code, code.replace("_", " "))


def _show_chain(document: Mapping[str, Any]) -> None:
    chain = document["chain"]
    heading(f"One person: {document['profile_id']}")
    say("One observation matches both." if not chain else f"{len(chain)} link{'s'[: len(chain) > 1]}:")
    _show_observation(document["observations"][0])
    for link, observation in zip(chain, document["observations"][1:], strict=True):
        out.print(f"    ↕ {_in_words(link)}", markup=False, style="bold")
        _show_observation(observation)


def _show_observation(observation: Mapping[str, Any]) -> None:
    path = str(observation["path"]).removeprefix(f"{Path.cwd()}/")
    out.print(f"\n{observation['source']}  {path}:{observation['line_number']}", markup=False, soft_wrap=True)
    said = ", ".join(f"{name} {value}" for name, value in observation["says"].items())
    out.print(f"  {said}\n", markup=False)


def _in_words(link: Mapping[str, Any]) -> str:
    figures = f"probability {link['probability']:.4f}, weight {link['weight']:+.1f}"
    match link["kind"]:
        case "exact":
            return f"{link['rule']}: {link['value']} ({figures})"
        case "model":
            fields = ", ".join(f"{name} {weight:+.1f}" for name, weight in link["fields"].items() if weight)
            return f"similar: {fields} ({figures})"
        case _:
            return _link_in_words(link["decision"])


def _link_in_words(decision: Mapping[str, Any] | None) -> str:
    """A steward's link, with the decision that is now in force for the two."""
    if decision is None:
        return "linked by a steward"
    if decision["kind"] == "unlink":
        return f"linked by a steward; the next run splits them: unlinked by {_decision_in_words(decision)}"
    return f"linked by {_decision_in_words(decision)}"


def _decision_in_words(decision: Mapping[str, Any]) -> str:
    return f"{decision['author']}, {decision['decided_at'][:10]}: {decision['reason']}"


def _show_two_people(document: Mapping[str, Any]) -> None:
    one, other = (", ".join(ids) for ids in document["profile_ids"])
    heading(f"Two people: {one} and {other}")
    for observation in document["observations"]:
        _show_observation(observation)
    _show_comparison(document["comparison"])
    heading("Shared values")
    rows = [[v["type"], v["value"], v["quality"], v["reason"]] for v in document["shared_values"]]
    out.print(terminal.table(["type", "value", "quality", "reason"], rows) if rows else "none")
    for refusal in document["refusals"]:
        say(f"Refused: {refusal['rule']} (probability {refusal['probability']:.4f}): {_reason(refusal['constraint'])}")
    for decision in document["decisions"]:
        say(f"A steward's {decision['kind']} by {_decision_in_words(decision)}")


def _show_comparison(comparison: Mapping[str, Any] | None) -> None:
    heading("Comparison by the model")
    if comparison is None:
        say("None: one of them has neither a name nor a date of birth.")
        return
    rows = [[f["name"], f["left"], f["right"], f["level"], f"{f['weight']:+.1f}"] for f in comparison["fields"]]
    total = [
        ["prior", "", "", "", f"{comparison['prior']:+.1f}"],
        ["total", "", "", "", f"{comparison['weight']:+.1f}"],
    ]
    out.print(terminal.table(["field", *SIDES, "similarity", "weight"], [*rows, *total], folding=SIDES))
    say(f"Probability {comparison['probability']:.4f}; linked at {comparison['threshold']} or more.")
