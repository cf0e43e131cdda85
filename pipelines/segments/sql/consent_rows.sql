-- reads: conformed.consents, conformed.events, conformed.observations, effects, known_entries, known_suppressions
-- makes: consent_rows

-- Consent statements and failing addresses in the logs, with the identifiers of the person, as input for
-- `cdp.consent.effects_of`; without those already in the store (`known_entries`, `known_suppressions`). Of suppressions
-- and lifts, the latest for each address is enough. `effects` is the table of effects, a row for each event type, channel
-- and word.
create or replace temp table consent_rows as
with failing as (
    select e.event_id, e.observation_id, f.channel, f.states,
        -- A claim withdraws consent and does nothing else.
        if(e.is_claim, null, f.suppresses) as suppresses, if(e.is_claim, null, f.lifts) as lifts, e.occurred_at
    from conformed.events e
    join effects f on f.event_type = e.event_type and f.channel = e.channel
        and (f.property is null or lower(e.properties->>('/' || f.property)) = f.word)
    where not e.is_machine and f.lifts is distinct from 'hard_bounce'
),
addressed as (
    select observation_id, unnest(addresses_of(email, phone, device_token, external_ids), recursive := true)
    from conformed.observations
),
bounced as (
    select distinct channel, address
    from failing join addressed using (observation_id, channel)
    where suppresses = 'hard_bounce' and address is not null
),
arrived as (
    select e.event_id, e.observation_id, e.channel, null as states, null as suppresses, f.lifts, e.occurred_at
    from conformed.events e
    join (from addressed semi join bounced using (channel, address)) a using (observation_id, channel)
    join effects f on f.event_type = e.event_type and f.channel = e.channel and f.lifts = 'hard_bounce'
    where not e.is_machine and not e.is_claim
),
told as (from failing union all from arrived),
latest as (
    select event_id, suppresses
    from told join addressed using (observation_id, channel)
    where address is not null and coalesce(suppresses, lifts) is not null
    qualify row_number() over (
        partition by channel, address, suppresses, lifts order by occurred_at desc, event_id) = 1
),
unrecorded as (
    select event_id from latest
    where suppresses is null or event_id not in (select entry_id from known_suppressions where entry_id is not null)
    union
    select event_id from told anti join known_entries on entry_id = event_id where states is not null
),
events as (from conformed.events semi join unrecorded using (event_id)),
stated as (from conformed.consents c anti join known_entries on entry_id = consent_id),
rows as (
    -- An event that came with an explicit consent states nothing else.
    select coalesce(e.source, c.source) as source, coalesce(e.observation_id, c.observation_id) as observation_id,
        e.event_id, e.channel, e.event_type, e.occurred_at, e.message_ref, e.properties, e.is_claim,
        coalesce(e.credential, c.credential) as credential, c.consent_id,
        c.channel as consent_channel, c.purpose as consent_purpose, c.topic as consent_topic, c.state as consent_state,
        c.scope as consent_scope, c.basis as consent_basis, c.method as consent_method, c.occurred_at as consent_at
    from events e
    left join conformed.consents c on c.source = e.source and c.observation_id = e.observation_id
        and c.channel = e.channel and c.occurred_at = e.occurred_at
    union all by name
    select source, observation_id, consent_id, channel as consent_channel, purpose as consent_purpose,
        topic as consent_topic, state as consent_state, scope as consent_scope, basis as consent_basis,
        method as consent_method, occurred_at as consent_at, credential
    from stated
)
select r.* exclude (observation_id, properties), r.properties::varchar as properties,
    o.email, o.phone, o.device_token, o.customer_id, o.anonymous_id, unnest(platform_ids_of(o.external_ids))
from rows r
join conformed.observations o using (observation_id)
-- A bounce precedes the delivery that lifts it.
order by coalesce(r.consent_at, r.occurred_at), r.consent_id, r.event_id
