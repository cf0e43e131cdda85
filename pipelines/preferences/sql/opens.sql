-- reads: profiles.profiles, deliveries
-- makes: opens

-- When people open messages, in their current time zone: the hour of the open, and that of the arrival if the open came
-- within a day of it. If the open is the only evidence of the arrival, the arrival hour is unknown. Without a time zone,
-- hours are in UTC (is_local: false).
create or replace temp view opens as
with opened as (
    select m.person, p.profile_id, m.channel, m.received_at, m.opened_at, p.timezone is not null as is_local,
        coalesce(p.timezone, 'UTC') as timezone, epoch_us(m.opened_at) // 900000000 as opened_quarter,
        if(epoch_us(m.opened_at) - epoch_us(m.received_at) between 1 and 24 * 3600000000 - 1,
            epoch_us(m.received_at) // 900000000, null) as received_quarter
    from deliveries m
    join profiles.profiles p on p.rowid = m.person
    where m.opened_at is not null
),
clocks as (
    -- Time zone conversion is expensive, so each quarter of an hour is converted once: no clock changes within one.
    select timezone, quarter, timezone(timezone, make_timestamptz(quarter * 900000000)) as shown
    from (select distinct timezone, unnest([opened_quarter, received_quarter]) as quarter from opened)
)
select l.person, l.profile_id, l.channel, l.received_at, l.opened_at, l.is_local, isodow(c.shown) > 5 as is_weekend,
    hour(r.shown)::tinyint as received_hour, hour(c.shown)::tinyint as opened_hour
from opened l
join clocks c on c.timezone = l.timezone and c.quarter = l.opened_quarter
left join clocks r on r.timezone = l.timezone and r.quarter = l.received_quarter
