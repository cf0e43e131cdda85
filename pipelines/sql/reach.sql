-- Which channels a person (`numbered`) has an address for that has neither bounced for good, complained nor opted out
-- since.
create or replace temp table reach as
with addresses as (
    select distinct n.person, unnest(case i.type
        when 'email' then ['email'] when 'phone' then ['sms', 'whatsapp'] when 'device_token' then ['push'] end
        )::channel_word as channel
    from identity.identifiers i
    join numbered n on n.observation_id = i.observation_id
    join identity.identifier_values v on v.type = i.type and v.value = i.value
    where v.quality in ('unique', 'shared') and i.type in ('email', 'phone', 'device_token')
),
used as (
    -- Of two things at one time the worse counts. Reading an old message takes back no opt-out.
    select person, channel,
        max(occurred_at) filter (event_type in ('unsubscribed', 'complained')) as left_at,
        max(occurred_at) filter (event_type = 'resubscribed') as returned_at,
        max(occurred_at) filter (event_type = 'bounced') as bounced_at,
        max(occurred_at) filter (event_type in ('delivered', 'opened', 'clicked', 'replied')) as arrived_at
    from activity
    where channel in ('email', 'sms', 'push', 'whatsapp')
    group by all
),
stated as (
    select n.person, c.channel::channel_word as channel,
        arg_max(c.state, (c.occurred_at, c.state in ('denied', 'withdrawn'), c.consent_id)) as state
    from conformed.consents c
    join numbered n on n.observation_id = c.observation_id
    where c.purpose = 'marketing' and c.topic is null and c.occurred_at <= $as_of
    group by n.person, c.channel
)
select a.person, a.channel,
    coalesce(u.left_at < u.returned_at, u.left_at is null)
        and coalesce(u.bounced_at < u.arrived_at, u.bounced_at is null)
        and coalesce(s.state, '') not in ('denied', 'withdrawn')
        -- Not every phone has WhatsApp: only one that was met there.
        and (a.channel <> 'whatsapp' or u.person is not null) as reachable
from addresses a
left join used u on u.person = a.person and u.channel = a.channel
left join stated s on s.person = a.person and s.channel = a.channel
