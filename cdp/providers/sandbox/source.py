"""The sandbox's receipts (`cdp/sending/sandbox.py`): one JSON object each."""

from __future__ import annotations

from cdp.channels import PLATFORM_ID_TYPES, channels_addressed_by
from cdp.sources import FailureWords, Source


def _if_addressed_by(kind: str) -> str:
    """SQL of the address on channels whose addresses are of this type."""
    channels = ", ".join(f"'{name}'" for name in channels_addressed_by(kind))
    return f"case when channel in ({channels}) then recipient end"


_PLATFORM_IDS = ", ".join(f"'{kind}', {_if_addressed_by(kind)}" for kind in PLATFORM_ID_TYPES)

SOURCE = Source(
    name="sandbox",
    title="Sandbox: simulated receipts",
    files=("sandbox_receipts*",),
    keys=(frozenset({"id", "message_id", "channel", "event", "address", "at"}),),
    webhook=None,
    failures=FailureWords(permanent=(("reason", "simulated"),)),
    select=rf"""
with item as (
    select file_id, line_number, received_at, unnest(from_json(payload, '{{
        "id": "VARCHAR", "message_id": "VARCHAR", "channel": "VARCHAR", "event": "VARCHAR", "address": "VARCHAR",
        "at": "VARCHAR"}}'))
    from raw
),
read as (
    select *, from_iso("at") as happened_at, nullif(trim(address), '') as recipient from item
)
select
    file_id, line_number, received_at,
    'address' as person_field,
    'at' as time_field,
    case
        when coalesce(event in ('delivered', 'bounced', 'complained', 'opened', 'clicked'), false) is false
            then 'unknown_event'
        when recipient is null then 'no_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused when 'unknown_event' then 'event' when 'no_identifier' then person_field
        when 'bad_time' then time_field end as refused_detail,
    id as event_key,
    channel,
    event as event_type,
    event as event_name,
    happened_at as occurred_at,
    'sandbox-' || message_id as message_ref,
    message_id,
    false as is_machine,
    case when event = 'bounced' then json_object('reason', 'simulated') end as properties,
    {_if_addressed_by("email")} as email,
    {_if_addressed_by("phone")} as phone,
    {_if_addressed_by("device_token")} as device_token,
    json_merge_patch('{{}}', json_object({_PLATFORM_IDS})) as external_ids,
    event in ('delivered', 'opened', 'clicked') as is_verified,
    case when event = 'complained' then channel end as consent_channel,
    'marketing' as consent_purpose,
    'withdrawn' as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    event as consent_method
from read
""",
)
