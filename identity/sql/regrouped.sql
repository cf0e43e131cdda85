-- reads: conformed.observations, resolver.components, redescribed, touched
-- makes: regrouped, components_before

-- The exact components that evidence or addresses of theirs have changed, as they were (`components_before`), and their
-- observations, with those that are new (`regrouped`).
create or replace temp table components_before as
select distinct component_id
from resolver.components
semi join (from touched union from redescribed) using (observation_id);

create or replace temp table regrouped as
select observation_id
from (
    select observation_id from resolver.components semi join components_before using (component_id)
    union
    select observation_id from touched
)
semi join conformed.observations using (observation_id);
