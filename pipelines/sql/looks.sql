-- When people look at messages, by the clock of the place where they live now: the hour of the look, and that of the
-- arrival if the look came within a day of it. Where nothing but the look tells of the arrival, that is not known.
with local as (
    select m.profile_id, m.channel, coalesce(p.timezone, 'UTC') as cohort,
        timezone(coalesce(p.timezone, 'UTC'), m.looked_at) as looked,
        case when m.looked_at > m.received_at and m.looked_at < m.received_at + interval 24 hours
            then hour(timezone(coalesce(p.timezone, 'UTC'), m.received_at)) end as received_hour
    from deliveries m
    join profiles.profiles p using (profile_id)
    where m.looked_at is not null
)
select profile_id, channel, cohort, isodow(looked) > 5 as is_weekend, received_hour::tinyint as received_hour,
    hour(looked)::tinyint as looked_hour, count(*) as looks
from local
group by all
order by all
