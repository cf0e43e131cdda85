-- reads: holders, recycled
-- makes: epochs

-- Holders, each in its epoch of the value: 0 where the value was never recycled, or no epoch has the holder. A holder
-- without a name belongs to the epoch that all of its sightings fall into, if there is one.
create or replace temp table epochs as
select h.*, coalesce(r.epoch, 0) as epoch, k.value is not null as is_recycled
from holders h
left join (select distinct type, value from recycled) k on k.type = h.type and k.value = h.value
left join recycled r
    on r.type = h.type and r.value = h.value
    and case when h.person is not null then r.person = h.person
        else h.first_seen_at >= r.starts_at
            and h.last_seen_at < coalesce(r.next_starts_at, timestamptz '9999-01-01') end
