-- The three local hours with most responses, best first.
with hours as (
    select e.profile_id, e.channel, hour(timezone(coalesce(p.timezone, 'UTC'), e.occurred_at))::integer as hour,
        count(*) as responses
    from person_events e
    join profiles.profiles p using (profile_id)
    where e.channel in ('email', 'sms', 'push', 'whatsapp') and e.event_type in ('opened', 'clicked', 'replied')
    group by all
)
select profile_id, channel, list(hour order by responses desc, hour)[1:3] as best_hours
from hours
group by profile_id, channel
