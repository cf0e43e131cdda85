"""The schema `segments`: members of segments, and the state of channels."""

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
        Column("entered_at", f.UtcTime, True, "as-of time of the run in which the profile entered"),
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
    "a segment of the catalogue used by the run",
    (
        Column("segment", f.Text, True),
        Column("position", f.Count, True, "position in the catalogue, from 0"),
        Column("title", f.Text, True),
        Column("words", f.Text, True, "the rule in plain words"),
        Column("rule", f.Json, True, "the rule as written in the catalogue"),
    ),
    key=("segment",),
)

CHANNEL_STATES = Table(
    "segments",
    "channel_states",
    "the state of a channel for which a profile has an address, as of the run",
    (
        Column("profile_id", f.ProfileId, True),
        Column("channel", f.Channel, True),
        Column(
            *("reachable", f.Flag, True),
            "at least one address is neither suppressed nor opted out; on WhatsApp, there must have been contact",
        ),
        Column(
            *("consent", f.Text, True),
            "to marketing: granted if granted for any of the addresses; `missing` if nothing was stated",
        ),
        Column("suppressed", f.Flag, True, "all addresses are suppressed: STOP, complaint, hard bounce, erased"),
    ),
    key=("profile_id", "channel"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)

CHANNEL_PREFERENCES = Table(
    "segments",
    "channel_preferences",
    "how well a channel reaches a profile",
    (
        Column("profile_id", f.ProfileId, True),
        Column("channel", f.Channel, True),
        Column("reachable", f.Flag, True, "as in segments.channel_states"),
        Column("score", f.Rate, False, "expected share of messages that get a response; null if unreachable"),
        Column("low", f.Rate, False, "lower end of the 90% interval"),
        Column("high", f.Rate, False, "upper end of the 90% interval"),
        Column("received_count", f.Count, True),
        Column("response_count", f.Count, True),
        Column("decayed_received", f.Number, True),
        Column("decayed_responses", f.Number, True),
        Column("half_life_days", f.Number, True, "days after which evidence counts half"),
        Column("prior", f.Rate, True, "the response rate of people on the channel who answer as this one does"),
        Column("prior_weight", f.Number, True, "number of messages that the prior counts for"),
        Column("best_hours", f.Hours, False, "weekday hours at which the person opens messages, best first"),
        Column("opened_count", f.Count, True, "messages opened on weekdays: the evidence for best_hours"),
        Column("weekend_best_hours", f.Hours, False, "the same for Saturdays and Sundays"),
        Column("weekend_opened_count", f.Count, True),
        Column("timezone", f.Text, False, "time zone of the hours: the profile's; UTC if null"),
    ),
    key=("profile_id", "channel"),
    references=(Reference("profile_id", "profiles.profiles", "profile_id"),),
)
