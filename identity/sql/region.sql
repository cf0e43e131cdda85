-- reads: resolver.linked, touched
-- makes: region

-- All that evidence joins, or did join, to a touched observation: it is clustered again, and nothing else has to be.
create or replace temp table region as
with joined as (
    select distinct linked_id from resolver.linked semi join touched using (observation_id)
)
select observation_id from resolver.linked semi join joined using (linked_id)
union
select observation_id from touched
