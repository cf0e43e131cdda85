-- reads: coming, leaving
-- makes: exchanged_edges, identity.edges
-- adds to: touched

-- The edges `leaving` (with the rowid of each) give way to those `coming`; the ends of what differs are touched.
create or replace temp table exchanged_edges as
with leaving_edges as (
    select left_id, right_id, kind, rule, probability, weight, evidence, model_version from leaving
),
coming_edges as (
    select left_id, right_id, kind, rule, probability, weight, evidence, model_version from coming
)
(from leaving_edges except from coming_edges) union all (from coming_edges except from leaving_edges);

insert into touched
select distinct unnest([left_id, right_id]) as observation_id from exchanged_edges;

delete from identity.edges where rowid in (select row_number from leaving);
insert into identity.edges by name from coming;
