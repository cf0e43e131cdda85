-- reads: profiles.profiles, deliveries
-- makes: nothing: a query

-- The messages received by every $every-th person, selected by a hash of the id, so each run samples the same people.
select p.profile_id, d.channel::varchar as channel, d.received_at, d.answered_at, d.answered
from deliveries d
join profiles.profiles p on p.rowid = d.person
where d.received_at is not null and md5_number_upper(p.profile_id) % $every = 0
order by all
