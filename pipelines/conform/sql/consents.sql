-- reads: conformed.consents, outcomes
-- makes: conformed.consents

-- Identical statements count once; a redelivered event states nothing new.
insert into conformed.consents by name
with stated as (
    select consent_id, source, observation_id, consent_channel as channel, coalesce(consent_purpose, 'marketing') as purpose,
        consent_topic as topic, consent_state as state, coalesce(consent_scope, 'channel') as scope,
        consent_basis as basis, consent_method as method, credential, consent_at as occurred_at, file_id, line_number, received_at
    from outcomes
    where outcome in ('event', 'consent') and consent_id is not null
)
select distinct on (consent_id) * exclude (received_at)
from stated anti join conformed.consents using (consent_id)
order by consent_id, received_at, file_id, line_number
