"""What `cdp identity` prints for people. Personal data stays on the terminal: it is the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cdp.cli import terminal
from cdp.cli.terminal import heading, out, say

# How many errors of each kind are shown by example.
EXAMPLES = 3
SIDES = ("one", "other")
REASONS = {
    "date_of_birth": "their dates of birth conflict",
    "given_name": "their given names conflict",
    "suffix": "their suffixes (jr, sr) conflict",
    "steward_unlink": "a steward has parted them",
    "below_threshold": "alike, but less than the model wants",
}


def show_evaluation(figures: Mapping[str, Any], evaluation: Any, rows: pl.DataFrame) -> None:
    """An evaluation's figures and its worst errors. `rows`: record_id and what is known of each record."""
    heading("Against the truth")
    measures = [[title, *figures[key].values()] for title, key in (("pairs", "pairwise"), ("B³", "b3"))]
    out.print(terminal.table(["measure", "precision", "recall", "F1"], measures))
    entities, evidence = figures["entities"], figures["evidence"]
    say(
        f"\n{figures['records']:,} records, {entities['true']:,} true entities, {entities['predicted']:,} found; "
        f"{figures['exact_clusters']:.1%} of the true ones exactly."
    )
    say(
        f"Of {evidence['true_pairs']:,} true pairs {evidence['with_evidence']:,} share any evidence, "
        f"and {evidence['recall_of_those']:.1%} of those are found. {figures['seconds']:,} seconds."
    )
    say(f"Model: {figures['model']}.")
    merges, misses = evaluation.over_merges(EXAMPLES), evaluation.misses(EXAMPLES)
    _show_examples("Worst over-merges: joined, though not one entity", merges, rows, by="entity_id")
    _show_examples("Worst misses: one entity, but not joined", misses, rows, by="cluster_id")


def show_explanation(document: Mapping[str, Any]) -> None:
    """Why two are one profile, or why they are two."""
    if document["same_profile"]:
        _show_chain(document)
    else:
        _show_strangers(document)


def show_review(pairs: pl.DataFrame, people: pl.DataFrame, waiting: int) -> None:
    """The review queue. `people`: what is known of each profile."""
    if not waiting:
        say("Nothing waits for review.")
        return
    for number, pair in enumerate(pairs.iter_rows(named=True), 1):
        heading(f"{number}. {_reason(pair['reason'])}")
        say(f"{pair['left_profile_id']} and {pair['right_profile_id']}")
        two = pl.DataFrame({"profile_id": [pair["left_profile_id"], pair["right_profile_id"]]})
        _show_beside(two.join(people, on="profile_id", how="left", maintain_order="left").drop("profile_id"))
        say(f"for it speaks: {pair['rule']}, probability {pair['probability']:.4f}")
    say(f"\n{pairs.height:,} of {waiting:,} pairs. Look closer and decide with two of their ids:")
    say("  cdp identity explain A B")
    say("  cdp identity link A B --reason …     cdp identity unlink A B --reason …")


def show_linked(pair: tuple[str, str], *, together: bool) -> None:
    """A steward's link, as recorded."""
    say(f"Recorded: observations {pair[0]} and {pair[1]} are one person.")
    say("They are one profile already, and stay so." if together else "The next `cdp run` joins their profiles.")


def show_unlinked(pairs: pl.DataFrame, both: int, *, apart: bool) -> None:
    """A steward's unlink, as recorded. `both`: how many observations carry what both sides name."""
    left, right = (pairs[name].n_unique() for name in ("left_id", "right_id"))
    say(f"Recorded: {left:,} and {right:,} observations are different people ({pairs.height:,} pairs).")
    if both:
        say(f"{both:,} carry both and stay on one side: correct them at their source.")
    say("They are two profiles already, and stay so." if apart else "The next `cdp run` parts them.")


def show_training(document: Mapping[str, Any]) -> None:
    """What was learnt, and from what."""
    heading(f"Identity model {document['version']}")
    seen = ("observations", "super_records", "pairs", "candidate_pairs", "random_pairs", "known_matches")
    rows = [[name.replace("_", " "), document[name]] for name in (*seen, "rounds", "expected_matches", "joined_pairs")]
    out.print(terminal.table(["learnt from", "how many"], rows))
    say(
        f"\nFrom a probability of {document['threshold']:.4f} on two are joined; "
        f"{document['expected_wrong_share']:.2%} of these links are expected to be wrong."
    )
    unseen = document["levels_no_match_showed"]
    if unseen:
        named = "; ".join(f"{name}: {', '.join(levels)}" for name, levels in unseen.items())
        say(f"No match showed {named}.")
        say("These levels keep what the prior gives them.")
    say(f"The report with charts: {document['report']}")
    if document["active"]:
        say("The next `cdp run` uses it. What would change: cdp identity preview")
    else:
        say(f"Not in use. What it would change: cdp identity preview --model {document['version']}")


def show_preview(changes: Mapping[str, Any], version: str, limit: int) -> None:
    """What another model would change."""
    profiles = changes["profiles"]
    say(
        f"With the model {version}: {profiles['before']:,} profiles become {profiles['after']:,}; "
        f"{changes['observations_moved']:,} observations move."
    )
    _show_changed("merge", changes["merges"], "profiles", limit)
    _show_changed("split", changes["splits"], "parts", limit)


def _show_changed(verb: str, changed: Sequence[Mapping[str, Any]], parts: str, limit: int) -> None:
    if not changed:
        say(f"None would {verb}.")
        return
    heading(f"{len(changed):,} would {verb}")
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
    """A record of each of the two largest parts of every example, side by side."""
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
    """Two rows side by side, without the columns in which neither says anything."""
    sides = [[name, *two[name]] for name in two.columns if two[name].null_count() < two.height]
    out.print(terminal.table(["", *SIDES], sides, folding=SIDES))


def _reason(code: str) -> str:
    return REASONS.get(code, code.replace("_", " "))


def _show_chain(document: Mapping[str, Any]) -> None:
    chain = document["chain"]
    heading(f"One person: {document['profile_id']}")
    say("One observation says both." if not chain else f"{len(chain)} link{'s'[: len(chain) > 1]}:")
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
            return f"alike: {fields} ({figures})"
        case _:
            return _link_in_words(link["decision"])


def _link_in_words(decision: Mapping[str, Any] | None) -> str:
    """A steward's link, by the decision that stands on the two now."""
    if decision is None:
        return "linked by a steward"
    if decision["kind"] == "unlink":
        return f"linked by a steward; the next run parts them: unlinked by {_decision_in_words(decision)}"
    return f"linked by {_decision_in_words(decision)}"


def _decision_in_words(decision: Mapping[str, Any]) -> str:
    return f"{decision['author']}, {decision['decided_at'][:10]}: {decision['reason']}"


def _show_strangers(document: Mapping[str, Any]) -> None:
    one, other = (", ".join(ids) for ids in document["profile_ids"])
    heading(f"Two people: {one} and {other}")
    for observation in document["observations"]:
        _show_observation(observation)
    _show_comparison(document["comparison"])
    heading("Values that both carry")
    rows = [[v["type"], v["value"], v["quality"], v["reason"]] for v in document["shared_values"]]
    out.print(terminal.table(["type", "value", "quality", "why"], rows) if rows else "none")
    for refusal in document["refusals"]:
        say(f"Refused: {refusal['rule']} (probability {refusal['probability']:.4f}): {_reason(refusal['constraint'])}")
    for decision in document["decisions"]:
        say(f"A steward's {decision['kind']} by {_decision_in_words(decision)}")


def _show_comparison(comparison: Mapping[str, Any] | None) -> None:
    heading("What the model makes of them")
    if comparison is None:
        say("Nothing: one of them has neither a name nor a birthday.")
        return
    rows = [[f["name"], f["left"], f["right"], f["level"], f"{f['weight']:+.1f}"] for f in comparison["fields"]]
    total = [
        ["two at random", "", "", "", f"{comparison['prior']:+.1f}"],
        ["all", "", "", "", f"{comparison['weight']:+.1f}"],
    ]
    out.print(terminal.table(["field", *SIDES, "how alike", "weight"], [*rows, *total], folding=SIDES))
    say(f"Probability {comparison['probability']:.4f}; joined from {comparison['threshold']} on.")
