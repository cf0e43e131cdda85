-- Holders with the quality of what they carry, each in its epoch.
create or replace temp table valued_holders as
select h.type, h.value, v.epoch, v.quality, h.observation_id, h.person, h.given_name, h.surname, h.customer
from holders h
left join recycled r
    on r.type = h.type and r.value = h.value
    and case when h.person is not null then r.person = h.person
        else h.first_seen_at >= r.starts_at
            and h.last_seen_at < coalesce(r.next_starts_at, timestamptz '9999-01-01') end
join identity.identifier_values v
    on v.type = h.type and v.value = h.value and v.epoch = coalesce(r.epoch, 0)
