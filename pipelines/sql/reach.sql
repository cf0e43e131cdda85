-- Which channels a profile has an address for that has neither bounced for good, complained nor opted out since.
with addresses as (
    select distinct m.profile_id, unnest(case i.type
        when 'email' then ['email'] when 'phone' then ['sms', 'whatsapp'] when 'device_token' then ['push'] end)
        as channel
    from identity.identifiers i
    join people m on m.observation_id = i.observation_id
    join identity.identifier_values v on v.type = i.type and v.value = i.value
    where v.quality in ('unique', 'shared') and i.type in ('email', 'phone', 'device_token')
),
used as (
    select profile_id, channel,
        arg_max(event_type, occurred_at) filter (event_type in ('bounced', 'delivered', 'opened', 'clicked',
            'replied', 'unsubscribed', 'complained', 'resubscribed')) as last_word
    from person_events
    group by profile_id, channel
),
stated as (
    select m.profile_id, c.channel, arg_max(c.state, (c.occurred_at, c.consent_id)) as state
    from conformed.consents c
    join people m on m.observation_id = c.observation_id
    where c.purpose = 'marketing' and c.topic is null
    group by m.profile_id, c.channel
)
select a.profile_id, a.channel,
    coalesce(u.last_word, '') not in ('bounced', 'unsubscribed', 'complained')
        and coalesce(s.state, '') not in ('denied', 'withdrawn')
        -- Not every phone has WhatsApp: only one that was met there.
        and (a.channel <> 'whatsapp' or u.profile_id is not null) as reachable
from addresses a
left join used u on u.profile_id = a.profile_id and u.channel = a.channel
left join stated s on s.profile_id = a.profile_id and s.channel = a.channel
