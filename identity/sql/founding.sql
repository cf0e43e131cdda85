-- reads: conformed.observations, landing.files, clusters
-- makes: nothing: a query

-- The ids that a new cluster may take, best first: from its founding observation (the first landed; within a landing
-- the first seen, then by id), so that a rebuild without the store gives nearly all ids again. The further ones are for
-- the part of a split whose first choice lives on with the other part.
with ranked as (
    select c.component_id, c.observation_id
    from clusters c
    join conformed.observations o using (observation_id)
    join landing.files f using (file_id)
    qualify row_number() over (
        partition by c.component_id order by f.landed_at, o.first_seen_at, c.observation_id) = 1
)
select component_id,
    list_transform(range(4), lambda i:
        'prf_' || crockford(md5_number(observation_id || if(i = 0, '', ':' || i)))) as candidates
from ranked
