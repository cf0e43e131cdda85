-- The messages received by every $every-th person, drawn by a hash of the id: the same people in each run.
select profile_id, channel, received_at, answered_at, answered
from deliveries
where received_at is not null and md5_number_upper(profile_id) % $every = 0
order by profile_id, channel, received_at, answered_at, answered
