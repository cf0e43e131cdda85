"""Tables of people: CSV, Parquet or JSON-lines files with a mapping file (`cdp/sources/columns.py`).

A row describes a person as of `updated_at`, or else as of the time it was landed.
"""

from __future__ import annotations

from cdp.sources import Source

SOURCE = Source(
    name="contacts",
    title="Contacts by a mapping file",
    files=("*contacts*",),
    keys=(),
    needs_mapping=True,
    webhook=None,
)

# Reads `statement`, which `select_for` puts before it.
SELECT = r"""
select
    file_id, line_number, received_at,
    coalesce(refusal, if(position > 1 and consent.state is null, 'unknown_consent', null)) as refused,
    case refused when 'no_identifier' then 'no column that identifies a person has a value'
        when 'bad_time' then 'updated_at' when 'unknown_consent' then consent.field end as refused_detail,
    coalesce(happened_at, received_at) as occurred_at,
    customer_id, given_name as first_name, family_name as last_name, email, phone, date_of_birth, street,
        city,
    region, postcode, country, language, timezone, device_token, anonymous_id, external_ids, is_verified,
    consent.channel as consent_channel, consent.purpose as consent_purpose, consent.topic as consent_topic,
    consent.state as consent_state, if(consent.topic is null, 'channel', 'topic') as consent_scope,
    'consent' as consent_basis, 'file' as consent_method
from statement
"""
