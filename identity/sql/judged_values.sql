-- reads: contested, epochs, listed_values
-- makes: judged_values

create or replace temp table judged_values as
with counted as (
    select type, value, epoch, any_value(is_recycled) as is_recycled, count(*) as holder_count,
        count(distinct person) as named_people,
        count(distinct customer) - count(distinct split_part(customer, ':', 1)) as spare_customers,
        count(distinct date_of_birth) as birthdays,
        min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
    from epochs
    group by type, value, epoch
),
judged as (
    select c.*, p.quality as listed_quality, p.reason as listed_reason, x.value is not null as is_contested,
        greatest(named_people, if(c.type in ('device_token', 'anonymous_id') and spare_customers > 0, spare_customers + 1, 0)) as people
    from counted c
    left join listed_values p on p.type = c.type and p.value = c.value
    left join contested x on x.type = c.type and x.value = c.value
)
select type, value, epoch,
    case
        when bool_or(listed_quality = 'junk') then 'junk'
        when any_value(people) > $max_people then 'junk'
        when bool_or(listed_quality = 'generic') then 'generic'
        when any_value(is_recycled) and epoch = 0 then 'shared'
        when any_value(people) > 1 or any_value(is_contested) then 'shared'
        else 'unique'
    end as quality,
    case
        when bool_or(listed_quality is not null) then min(listed_reason)
        when any_value(people) > $max_people then 'more people carry it than can be'
        when any_value(is_recycled) and epoch = 0 then 'seen across the epochs of a recycled value'
        when any_value(is_recycled) then 'recycled: one holder''s epoch'
        when any_value(people) > 1 then 'different people carry it at the same time'
        when any_value(is_contested) then 'a mere name, carried by people who have nothing else in common'
        else 'one person carries it'
    end as reason,
    any_value(holder_count) as holder_count,
    any_value(people) as name_count,
    any_value(first_seen_at) as first_seen_at,
    any_value(last_seen_at) as last_seen_at
from judged
group by type, value, epoch
