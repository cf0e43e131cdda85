-- reads: conformed.events, conformed.observations, landing.files, line_truth, people
-- makes: nothing: a query

-- The simulated person of each profile. `line_truth` gives the person of each line of each file. A profile and a person
-- match if each shares most of its lines with the other.
with lines as (
    select p.profile_id, e.file_id, e.line_number from conformed.events e join people p using (observation_id)
    union
    select p.profile_id, o.file_id, o.line_number from conformed.observations o join people p using (observation_id)
),
shared as (
    select l.profile_id, t.person_id, count(*) as line_count
    from lines l
    join landing.files f using (file_id)
    join line_truth t on t.file = parse_filename(f.path) and t.line_number = l.line_number
    group by l.profile_id, t.person_id
)
select profile_id, person_id
from shared
qualify row_number() over (partition by profile_id order by line_count desc, person_id) = 1
    and row_number() over (partition by person_id order by line_count desc, profile_id) = 1
order by profile_id
