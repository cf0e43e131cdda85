-- reads: epochs, judged_values
-- makes: valued_holders

-- Holders with the quality of what they carry, each in its epoch.
create or replace temp table valued_holders as
select e.type, e.value, e.epoch, v.quality, e.observation_id, e.person, e.given_name, e.surname, e.customer
from epochs e
join judged_values v on v.type = e.type and v.value = e.value and v.epoch = e.epoch
