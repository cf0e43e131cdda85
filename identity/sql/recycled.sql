-- reads: holders
-- makes: recycled

-- Phones whose holders' names conflict and follow each other in time without overlap: a number given up and given
-- out again. Each holder gets an epoch of its own, from its first sighting until the next holder's.
create or replace temp table recycled as
with spans as (
    select type, value, person, min(first_seen_at) as starts_at, max(last_seen_at) as ends_at
    from holders
    where type = 'phone' and person is not null
    group by type, value, person
),
ordered as (
    select *, row_number() over w as epoch, lead(starts_at) over w as next_starts_at
    from spans
    window w as (partition by type, value order by starts_at, person)
),
apart as (
    select type, value from ordered
    group by type, value
    having count(*) between 2 and $max_people and bool_and(next_starts_at is null or ends_at < next_starts_at)
)
select o.* from ordered o join apart using (type, value)
