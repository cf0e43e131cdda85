-- reads: identity.identifier_values, identity.identifiers, people
-- makes: served_identifiers

-- The profiles found by each identifier; junk finds none.
create or replace temp view served_identifiers as
select distinct i.type, i.value, p.profile_id
from identity.identifiers i
join people p using (observation_id)
join identity.identifier_values v on v.type = i.type and v.value = i.value
where v.quality <> 'junk'
