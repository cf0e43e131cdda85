"""The warehouse's contracts, in the order in which data flows."""

from __future__ import annotations

from cdp import fields as f
from cdp import metrics
from cdp.contract import Column, Reference, Rule, Table

# A source whose rows are mostly refused is broken, or its format changed: nothing of it may be published.
# Fewer than three refused rows say nothing about a source.
MAX_REJECT_SHARE = 0.25
MIN_REJECTS_TO_JUDGE = 3

LINEAGE = (Column("file_id", f.FileId, True), Column("line_number", f.LineNumber, True))

FILES = Table(
    "landing",
    "files",
    "a file, or a batch of the API's inbox, taken in",
    (
        Column("file_id", f.FileId, True),
        Column("source", f.Text, True, "whose log it is"),
        Column("format", f.Text, True, "the source file in `cdp/sources/` that reads it"),
        Column("path", f.Text, True, "where it was read"),
        Column("sha256", f.Hash, True, "of the file's bytes"),
        Column("byte_count", f.Count, True),
        Column("row_count", f.Count, True, "lines or records read, refused ones included"),
        Column("reject_count", f.Count, True, "of these, refused"),
        Column("mapping", f.Json, False, "the mapping in force, where the format needs one"),
        Column("landed_at", f.UtcTime, True),
        Column("run_id", f.RunId, True),
    ),
    key=("file_id",),
    rules=(
        Rule(
            "reject_share",
            f"no source has more than {MAX_REJECT_SHARE:.0%} of its rows refused in one run",
            "select source, run_id, sum(reject_count) as rejects, sum(row_count) as total_rows "
            # Who sends over HTTP was told at once what was refused, and must not be able to stop runs.
            "from landing.files where not starts_with(path, 'inbox:') group by source, run_id "
            f"having rejects >= {MIN_REJECTS_TO_JUDGE} and rejects > {MAX_REJECT_SHARE} * total_rows",
        ),
    ),
)

REJECTS = Table(
    "landing",
    "rejects",
    "a raw row refused, with the reason",
    (
        *LINEAGE,
        Column("source", f.Text, True),
        Column("reason", f.Text, True, "a code"),
        Column("detail", f.Text, False, "what is wrong, free of personal data"),
        Column("payload", f.Text, False, "the row as it came"),
        Column("run_id", f.RunId, True),
        Column("resolved_at", f.UtcTime, False, "when a replay mapped it after all"),
    ),
    references=(Reference("file_id", "landing.files", "file_id"),),
)

EVENTS = Table(
    "conformed",
    "events",
    "something that happened on a channel",
    (
        Column("event_id", f.EventId, True, "hash of the source and the provider's event id, or of the payload"),
        Column("source", f.Text, True),
        Column("channel", f.Channel, True),
        Column("event_type", f.EventType, True),
        Column("event_name", f.Text, False, "the source's own name for it"),
        Column("occurred_at", f.UtcTime, True),
        Column("received_at", f.UtcTime, True, "when the log landed"),
        Column("observation_id", f.ObservationId, True, "the description of the person it happened to"),
        Column("message_ref", f.Text, False, "the provider's id of the message"),
        Column("campaign_ref", f.Text, False),
        Column("is_machine", f.Flag, True, "done by a machine, such as a mail scanner; counts for nothing"),
        Column("amount", f.Money),
        Column("currency", f.Currency),
        Column("properties", f.Json),
        *LINEAGE,
    ),
    key=("event_id",),
    references=(
        Reference("observation_id", "conformed.observations", "observation_id"),
        Reference("file_id", "landing.files", "file_id"),
    ),
)

PERSON_COLUMNS = (
    Column("customer_id", f.Text, False, "the source's own id of the person"),
    Column("first_name", f.Text),
    Column("last_name", f.Text),
    Column("email", f.Email),
    Column("phone", f.Phone),
    Column("date_of_birth", f.CalendarDate),
    Column("street", f.Text),
    Column("city", f.Text),
    Column("region", f.Text),
    Column("postcode", f.Text),
    Column("country", f.Country),
    Column("language", f.Language),
    Column("timezone", f.Text, False, "IANA name"),
    Column("device_token", f.Text),
    Column("anonymous_id", f.Text),
    Column("external_ids", f.Json, False, "further ids by kind"),
)

OBSERVATIONS = Table(
    "conformed",
    "observations",
    "one distinct way in which a source has described a person",
    (
        Column("observation_id", f.ObservationId, True),
        Column("source", f.Text, True),
        *PERSON_COLUMNS,
        Column("is_verified", f.Flag, True, "the source has proven the contact point"),
        Column("first_seen_at", f.UtcTime, True),
        Column("last_seen_at", f.UtcTime, True),
        Column("event_count", f.Count, True),
        *LINEAGE,
    ),
    key=("observation_id",),
    references=(Reference("file_id", "landing.files", "file_id"),),
    rules=(
        Rule(
            "seen_in_order",
            "nobody was last seen before they were first seen",
            "select observation_id from conformed.observations where last_seen_at < first_seen_at",
        ),
    ),
)

CONSENTS = Table(
    "conformed",
    "consents",
    "a consent statement found in a log",
    (
        Column("consent_id", f.EventId, True),
        Column("source", f.Text, True),
        Column("observation_id", f.ObservationId, True),
        Column("channel", f.Channel, True),
        Column("purpose", f.Purpose, True),
        Column("topic", f.Text),
        Column("state", f.ConsentState, True),
        Column("scope", f.ConsentScope, True),
        Column("basis", f.Text, False, "legal basis"),
        Column("method", f.Text, False, "how it was stated"),
        Column("occurred_at", f.UtcTime, True),
        *LINEAGE,
    ),
    key=("consent_id",),
    references=(Reference("observation_id", "conformed.observations", "observation_id"),),
)

DUPLICATES = Table(
    "conformed",
    "duplicates",
    "an event that was delivered again: its line, and the event that stands for it",
    (Column("event_id", f.EventId, True), Column("source", f.Text, True), *LINEAGE),
    references=(Reference("event_id", "conformed.events", "event_id"),),
)

IDENTIFIERS = Table(
    "identity",
    "identifiers",
    "a value of an identifier in an observation",
    (
        Column("observation_id", f.ObservationId, True),
        Column("type", f.IdentifierType, True),
        Column("value", f.Text, True, "normalised; a customer_id carries its source"),
        Column("first_seen_at", f.UtcTime, True),
        Column("last_seen_at", f.UtcTime, True),
    ),
    key=("observation_id", "type", "value"),
)

IDENTIFIER_VALUES = Table(
    "identity",
    "identifier_values",
    "what a value is worth as evidence",
    (
        Column("type", f.IdentifierType, True),
        Column("value", f.Text, True),
        Column("epoch", f.Count, True, "0, or counting the holders of a recycled value"),
        Column("quality", f.Quality, True),
        Column("reason", f.Text, True, "why it is worth that"),
        Column("holder_count", f.Count, True, "observations that carry it"),
        Column("name_count", f.Count, True, "distinct people behind it, by their names"),
        Column("first_seen_at", f.UtcTime, True),
        Column("last_seen_at", f.UtcTime, True),
    ),
    key=("type", "value", "epoch"),
)

EDGES = Table(
    "identity",
    "edges",
    "a piece of evidence that two observations are one person",
    (
        Column("left_id", f.ObservationId, True),
        Column("right_id", f.ObservationId, True),
        Column("kind", f.EdgeKind, True),
        Column("rule", f.Text, True),
        Column("probability", f.Rate, True),
        Column("weight", f.Number, True, "log2 odds"),
        Column("evidence", f.Json),
        Column("model_version", f.Text),
    ),
    references=(
        Reference("left_id", "conformed.observations", "observation_id"),
        Reference("right_id", "conformed.observations", "observation_id"),
    ),
    rules=(Rule("apart", "an edge joins two", "select left_id from identity.edges where left_id = right_id"),),
)

GREY_PAIRS = Table(
    "identity",
    "grey_pairs",
    "two descriptions that the model finds alike, but not enough to join them: a steward may know",
    (
        Column("left_id", f.ObservationId, True),
        Column("right_id", f.ObservationId, True),
        Column("probability", f.Rate, True),
        Column("weight", f.Number, True, "log2 odds"),
        Column("evidence", f.Json, True, "the weight of each field"),
        Column("model_version", f.Text, True),
    ),
    key=("left_id", "right_id"),
    references=(
        Reference("left_id", "conformed.observations", "observation_id"),
        Reference("right_id", "conformed.observations", "observation_id"),
    ),
)

OVERSIZED_BLOCKS = Table(
    "identity",
    "oversized_blocks",
    "a blocking key that so many share that their pairs are not looked at on its account",
    (
        Column("rule", f.Text, True),
        Column("block_id", f.Hash, True, "the key, by its hash"),
        Column("record_count", f.Count, True, "super-records that share it"),
    ),
    key=("block_id",),
)

MEMBERS = Table(
    "identity",
    "members",
    "an observation's place in a profile; the current one has no `valid_to_run`",
    (
        Column("observation_id", f.ObservationId, True),
        Column("profile_id", f.ProfileId, True),
        Column("valid_from_run", f.RunId, True),
        Column("valid_to_run", f.RunId),
    ),
    references=(Reference("observation_id", "conformed.observations", "observation_id"),),
    rules=(
        Rule(
            "one_profile",
            "an observation belongs to one profile at a time",
            "select observation_id from identity.members where valid_to_run is null "
            "group by observation_id having count(*) > 1",
        ),
        Rule(
            "all_resolved",
            "every observation belongs to a profile",
            "select observation_id from conformed.observations anti join "
            "(select observation_id from identity.members where valid_to_run is null) using (observation_id)",
        ),
    ),
)

REFUSALS = Table(
    "identity",
    "refusals",
    "a merge that a constraint forbade: the review queue",
    (
        Column("left_id", f.ObservationId, True),
        Column("right_id", f.ObservationId, True),
        Column("rule", f.Text, True),
        Column("probability", f.Rate, True),
        Column("constraint", f.Text, True),
        Column("run_id", f.RunId, True),
    ),
)

PROFILE_CHANGES = Table(
    "identity",
    "profile_changes",
    "what befell a profile id in a run",
    (
        Column("profile_id", f.ProfileId, True),
        Column("other_profile_id", f.ProfileId, False, "the survivor of a merge, the parent of a split"),
        Column("reason", f.ChangeReason, True),
        Column("run_id", f.RunId, True),
    ),
)

ALIASES = Table(
    "identity",
    "aliases",
    "a retired profile id and the survivor that answers for it",
    (Column("old_profile_id", f.ProfileId, True), Column("profile_id", f.ProfileId, True)),
    key=("old_profile_id",),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

TRAIT_NAMES = (
    *("first_name", "last_name", "email", "phone", "date_of_birth", "street", "city", "region"),
    *("postcode", "country", "language", "timezone"),
)

PROFILES = Table(
    "profiles",
    "profiles",
    "a person: the golden record",
    (
        Column("profile_id", f.ProfileId, True),
        *(column for column in PERSON_COLUMNS if column.name in TRAIT_NAMES),
        Column("created_at", f.UtcTime, True, "first seen by any source"),
        Column("last_seen_at", f.UtcTime, True),
        Column("source_count", f.Count, True),
        Column("observation_count", f.Count, True),
        Column("confidence", f.Rate, True, "the weakest link that holds the profile together"),
    ),
    key=("profile_id",),
)

TRAITS = Table(
    "profiles",
    "traits",
    "a value that a source has given for a trait, down to the raw line",
    (
        Column("profile_id", f.ProfileId, True),
        Column("trait", f.Text, True),
        Column("value", f.Text, True),
        Column("is_current", f.Flag, True, "the value that the golden record shows"),
        Column("source", f.Text, True),
        Column("observed_at", f.UtcTime, True),
        Column("observation_id", f.ObservationId, True),
        *LINEAGE,
    ),
    key=("profile_id", "trait", "value", "observation_id"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

METRICS = Table(
    "profiles",
    "metrics",
    "what a person has done: counts, recency, value, engagement per channel; machine events not counted. "
    "Each column is an entry of `cdp/metrics.py`",
    (
        Column("profile_id", f.ProfileId, True),
        *(Column(metric.name, metric.type, metric.none is not None, metric.meaning) for metric in metrics.METRICS),
    ),
    key=("profile_id",),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
    rules=(
        Rule(
            "no_negative_tally",
            "no tally is negative",
            "select profile_id from profiles.metrics where "
            f"least({', '.join(metric.name for metric in metrics.METRICS if metric.type is f.Tally)}) < 0",
        ),
    ),
)

MEMBERSHIPS = Table(
    "segments",
    "memberships",
    "a profile that is in a segment",
    (
        Column("profile_id", f.ProfileId, True),
        Column("segment", f.Text, True),
        Column("entered_at", f.UtcTime, True, "as-of time of the run in which it entered"),
    ),
    key=("profile_id", "segment"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

SEGMENT_CHANGES = Table(
    "segments",
    "changes",
    "a profile that entered or left a segment in a run",
    (
        Column("profile_id", f.ProfileId, True),
        Column("segment", f.Text, True),
        Column("change", f.Text, True, "entered or left"),
        Column("changed_at", f.UtcTime, True),
        Column("run_id", f.RunId, True),
    ),
)

SEGMENT_CATALOGUE = Table(
    "segments",
    "catalogue",
    "a segment of the catalogue that the run used",
    (
        Column("segment", f.Text, True),
        Column("position", f.Count, True, "its place in the catalogue, from 0"),
        Column("title", f.Text, True),
        Column("words", f.Text, True, "the rule in plain words"),
        Column("rule", f.Json, True, "the rule as the catalogue has it"),
    ),
    key=("segment",),
)

CHANNEL_STATES = Table(
    "segments",
    "channel_states",
    "what may be done on a channel that a profile has an address for, as of the run",
    (
        Column("profile_id", f.ProfileId, True),
        Column("channel", f.Channel, True),
        Column("reachable", f.Flag, True, "an address is neither suppressed nor opted out; on WhatsApp: and was met"),
        Column("consent", f.Text, True, "to marketing: granted if any of its addresses has; `missing`: nothing stated"),
        Column("suppressed", f.Flag, True, "every address is suppressed: STOP, complaint, hard bounce, erased"),
    ),
    key=("profile_id", "channel"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

CHANNEL_PREFERENCES = Table(
    "segments",
    "channel_preferences",
    "how well a channel serves a profile",
    (
        Column("profile_id", f.ProfileId, True),
        Column("channel", f.Channel, True),
        Column("reachable", f.Flag, True, "as segments.channel_states has it"),
        Column("score", f.Rate, False, "expected share of messages that get a response; none if unreachable"),
        Column("low", f.Rate, False, "lower end of the 90% interval"),
        Column("high", f.Rate, False, "upper end of the 90% interval"),
        Column("received_count", f.Count, True),
        Column("response_count", f.Count, True),
        Column("decayed_received", f.Number, True),
        Column("decayed_responses", f.Number, True),
        Column("half_life_days", f.Number, True, "after how many days evidence weighs half"),
        Column("prior", f.Rate, True, "the rate of the channel's people who answer as this one does"),
        Column("prior_weight", f.Number, True, "messages' worth of trust in the prior"),
        Column("best_hours", f.Hours, False, "weekdays: hours at which the person looks at messages, best first"),
        Column("looked_count", f.Count, True, "messages looked at on weekdays: the evidence for best_hours"),
        Column("weekend_best_hours", f.Hours, False, "the same for Saturdays and Sundays"),
        Column("weekend_looked_count", f.Count, True),
        Column("timezone", f.Text, False, "the profile's, in which the hours are; without one they are in UTC"),
    ),
    key=("profile_id", "channel"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

RUNS = Table(
    "runs",
    "runs",
    "a run that was published",
    (
        Column("run_id", f.RunId, True),
        Column("as_of", f.UtcTime, True),
        Column("started_at", f.UtcTime, True),
        Column("report", f.Json, True, "what `cdp run --json` printed"),
    ),
    key=("run_id",),
)

STAGE_ROWS = Table(
    "runs",
    "stages",
    "a stage of a run",
    (
        Column("run_id", f.RunId, True),
        Column("name", f.Text, True),
        Column("rows", f.Count, True),
        Column("seconds", f.Number, True),
    ),
)

QUALITY_RESULTS = Table(
    "quality",
    "results",
    "the verdict on one table in one run",
    (
        Column("run_id", f.RunId, True),
        Column("table_name", f.Text, True),
        Column("passed_count", f.Count, True, "expectations met"),
        Column("failed", f.Json, True, "the expectations broken, in words"),
    ),
    key=("run_id", "table_name"),
)

TABLES: tuple[Table, ...] = (
    *(FILES, REJECTS),
    *(EVENTS, OBSERVATIONS, CONSENTS, DUPLICATES),
    *(IDENTIFIERS, IDENTIFIER_VALUES, EDGES, GREY_PAIRS, OVERSIZED_BLOCKS),
    *(MEMBERS, REFUSALS, PROFILE_CHANGES, ALIASES),
    *(PROFILES, TRAITS, METRICS),
    *(SEGMENT_CATALOGUE, CHANNEL_STATES, MEMBERSHIPS, SEGMENT_CHANGES, CHANNEL_PREFERENCES),
    *(RUNS, STAGE_ROWS, QUALITY_RESULTS),
)

# Checked before a publish; the run's own bookkeeping is written after the verdict.
GATED: tuple[Table, ...] = tuple(table for table in TABLES if table.schema not in ("runs", "quality"))


def reference_page() -> str:
    """All tables in Markdown, as `cdp/tables.md` holds it."""
    head = "# The warehouse's tables\n\nMade by `make docs` from the contracts in `cdp/tables.py`.\n\n"
    return head + "\n".join(table.describe() for table in TABLES)
