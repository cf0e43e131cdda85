-- reads: resolver.super_records, component_records, components, components_before
-- makes: resolver.super_records, resolver.components, changed_records, described_before

-- The super-records of regrouped components in the place of those that they had, and `changed_records`: the ids of those
-- that are new, gone, or say something else than before.
create or replace temp table described_before as
select s.* from resolver.super_records s semi join components_before using (component_id);

create or replace temp table changed_records as
select unique_id from (
    (select * exclude (component_id) from described_before except select * exclude (component_id) from component_records)
    union all
    (select * exclude (component_id) from component_records except select * exclude (component_id) from described_before)
)
group by unique_id;

delete from resolver.super_records where component_id in (select component_id from components_before);
insert into resolver.super_records by name from component_records;

delete from resolver.components where component_id in (select component_id from components_before);
insert into resolver.components by name from components;
