"""The schema `segments`: who is in which segment, and what may be done on which channel."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Table

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
