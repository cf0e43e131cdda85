-- reads: identity.identifier_values, identity.identifiers, profiles.profiles, activity, consent_entries, contact_points
-- reads: message_channels, numbered, opt_out_reaches, suppressing
-- makes: segments.channel_states

-- Consent, suppression and reachability on each channel for which a profile has an address, as of a time. Consent is the
-- fold of `cdp/consent/standing.py`, for marketing as a whole, over all profiles at once: a test compares the two.
insert into segments.channel_states by name
with held as materialized (
    -- Each person's identifiers, numbered; materialized, because a second evaluation could number them differently.
    select *, row_number() over () as holding
    from (
        select distinct n.person, p.contact_point_id, i.type, v.is_address, i.value
        from identity.identifiers i
        join numbered n using (observation_id)
        join (select type, value, bool_or(quality in ('unique', 'shared')) as is_address from identity.identifier_values
            where quality <> 'junk' group by type, value) v on v.type = i.type and v.value = i.value
        left join contact_points p on p.type = i.type and p.value = i.value)
),
addresses as (
    select h.person, h.contact_point_id, h.holding, c.channel
    from held h
    join message_channels c on c.address_type = h.type
    where h.is_address
),
-- Only people with a consent statement take part in the fold.
stated as (
    select h.person, h.holding, e.*, e.channel as of_channel, c.address_type
    from consent_entries e
    join held h using (contact_point_id)
    left join message_channels c on c.channel = e.channel
    where e.occurred_at <= $as_of
),
own as (
    select a.holding, a.channel, s.entry_id, s.state, s.occurred_at, s.recorded_at,
        case s.scope when 'topic' then 0 when 'channel' then 1 else 2 end as breadth
    from addresses a
    join stated s using (holding)
    where s.scope = 'all' or (s.of_channel = a.channel and (s.scope = 'channel' or s.topic is null))
),
narrowest as (
    from own qualify breadth = min(breadth) over (partition by holding, channel)
),
regions as (
    select p.rowid as person, coalesce(r.region, '') as region
    from profiles.profiles p
    left join (select distinct region from opt_out_reaches) r on r.region = p.country
),
opted_out as (
    select a.holding, a.channel, s.entry_id, s.state, s.occurred_at, s.recorded_at
    from addresses a
    join stated s on s.person = a.person
    join regions g on g.person = a.person
    left join opt_out_reaches r on r.region = g.region and r.channel = s.of_channel and r.further = a.channel
    where s.state in ('denied', 'withdrawn')
        and case when s.scope = 'all' then true
            when s.of_channel = a.channel and (s.scope = 'channel' or s.topic is null)
                then s.contact_point_id is not distinct from a.contact_point_id
                    or s.contact_point_type is distinct from s.address_type
            else s.scope = 'channel' and r.further is not null end
),
deciding as (
    select * exclude (breadth) from narrowest union from opted_out
),
latest as (
    from deciding
    -- As in `cdp.consent.standing`: an opt-out in whole seconds counts as of the end of its second.
    qualify rank() over (partition by holding, channel order by
        if(state in ('denied', 'withdrawn'), end_of(occurred_at), occurred_at) desc, recorded_at desc) = 1
),
standing as (
    select holding, channel,
        case when count(distinct state = 'granted') > 1 then 'conflicting'
            else arg_min(state, (state not in ('denied', 'withdrawn'), entry_id)) end as state
    from latest
    group by all
),
suppressed as (
    select contact_point_id, channel
    from (
        select contact_point_id, channel, reason,
            max(occurred_at) filter (occurred_at <= $as_of) as occurred_at,
            max(lifted_at) filter (lifted_at <= $as_of) as lifted_at
        from suppressing
        group by all)
    where occurred_at is not null and coalesce(lifted_at <= end_of(occurred_at), true)
),
of_address as (
    select a.person, a.channel, coalesce(s.state, 'missing') as state,
        exists (from suppressed u where u.contact_point_id = a.contact_point_id and u.channel in (a.channel, 'all'))
            as is_suppressed
    from addresses a
    left join standing s on s.holding = a.holding and s.channel = a.channel
),
of_channel as (
    -- One usable address is enough; among the others, an explicit statement takes precedence.
    select person, channel, bool_and(is_suppressed) as suppressed,
        -- An address without a statement is usable, unless its owner opted out at another.
        bool_or(not is_suppressed and state in ('granted', 'pending'))
            or bool_or(not is_suppressed and state = 'missing')
                and not bool_or(state in ('conflicting', 'withdrawn', 'denied')) as is_open,
        arg_min(state, list_position(['granted', 'pending', 'conflicting', 'withdrawn', 'denied', 'missing'], state))
            as consent
    from of_address
    group by person, channel
)
select p.profile_id, c.channel, c.consent, c.suppressed,
    -- An address is not sufficient on every channel: not every phone has WhatsApp.
    c.is_open and (not w.needs_contact or m.person is not null) as reachable
from of_channel c
join message_channels w on w.channel = c.channel
join profiles.profiles p on p.rowid = c.person
left join (
    select distinct person, channel::varchar as channel from activity
    where channel in (select channel from message_channels where needs_contact)
) m on m.person = c.person and m.channel = c.channel
