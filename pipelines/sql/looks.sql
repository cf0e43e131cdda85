-- When people look at messages, by the clock of the place where they live now: the hour of the look, and that of the
-- arrival if the look came within a day of it. Where nothing but the look tells of the arrival, that is not known. Of whom
-- no time zone is known, hours are in UTC (is_local: false).
create or replace temp view looks as
with local as (
    select m.person, p.profile_id, m.channel, m.received_at, m.looked_at, p.timezone is not null as is_local,
        timezone(coalesce(p.timezone, 'UTC'), m.looked_at) as looked,
        case when m.looked_at > m.received_at and m.looked_at < m.received_at + interval 24 hours
            then hour(timezone(coalesce(p.timezone, 'UTC'), m.received_at)) end as received_hour
    from deliveries m
    join profiles.profiles p on p.rowid = m.person
    where m.looked_at is not null
)
select person, profile_id, channel, received_at, looked_at, is_local, isodow(looked) > 5 as is_weekend,
    received_hour::tinyint as received_hour, hour(looked)::tinyint as looked_hour
from local
