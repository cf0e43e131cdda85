"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    # What a resolution is given.
    "incoming_forms": "nicknames: given_name, forms, called",
    "given_forms": "the same, kept for the later steps",
    "known_members": "places given out before: observation_id, profile_id, run_id",
    "former_members": "places that have ended: observation_id, profile_id, from_run_id, run_id",
    "steward_links": "pairs that stewards have joined, as edges",
    "standing_unlinks": "pairs that stewards have parted: left_id, right_id",
    "rule_probabilities": "how far an exact rule is trusted: rule, probability",
    "names_alike()": "when two given names may be one person's",
    "nearly_alike()": "when they may be if more than a name speaks for it",
    "one_edit()": "when a letter is wrong, missing, doubled or misplaced",
    # What its steps in Python hand on.
    "incoming_components": "exact components: observation_id, component_id",
    "components": "the same, kept for the later steps",
    "super_records": "resolver.super_records by a bare name, as Splink takes it",
    "scored_pairs": "what Splink makes of `candidate_pairs`",
    "leaving": "edges that give way, with row_number",
    "coming": "edges in their place",
    "newly_linked": "what evidence joins, constraints aside: observation_id, linked_id",
    "incoming_clusters": "what constraints leave of that: observation_id, component_id",
    "clusters": "the same, kept for the later steps",
    "new_members": "the places: observation_id, profile_id",
    "new_refusals": "edges that a constraint forbade: left_id, right_id, rule, probability, constraint",
    # Training and evaluation, in a warehouse of their own.
    "drawn_numbers": "pairs of numbers of super-records: one, other",
    "incoming_records": "records with a truth, as they were handed in",
    "observed_records": "the same as observations: record_id beside the columns of conformed.observations",
    "no_records": "an empty table: Splink wants one for the charts of a model",
    # Questions about people.
    "asked": "what a question is about: observation_id or profile_id",
    "one": "a group of observations: observation_id",
    "other": "another group: observation_id",
    "neighbours": "observations that it takes to compare those asked about: observation_id",
    "published_places": "where these are: observation_id, profile_id",
    "side": "observations of one side of a comparison: observation_id",
    "left_records": "the super-records of one side",
    "right_records": "the super-records of the other",
}
