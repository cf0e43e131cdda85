-- Events up to the time that the run speaks for, with the person they happened to; what machines did is left out.
create or replace temp view person_events as
select m.profile_id, e.*
from conformed.events e
join people m on m.observation_id = e.observation_id
where not e.is_machine and e.occurred_at <= $as_of
