-- reads: nothing
-- makes: resolver.basis, resolver.block_keys, resolver.components, resolver.contact_points, resolver.features
-- makes: resolver.linked, resolver.super_records, resolver.unlinks, resolver.untrainable

-- What a resolution leaves behind for the next one, which looks only at what has changed since. Nobody else reads it, and
-- it may be dropped at any time: the next run makes it again.
create schema if not exists resolver;
create table if not exists resolver.basis (rules varchar);
create table if not exists resolver.untrainable (observations bigint);
create table if not exists resolver.features (
    observation_id varchar, description ubigint, sightings ubigint, given_name varchar, given_forms varchar[], surname varchar,
    suffix varchar, date_of_birth date, customer varchar);
create table if not exists resolver.contact_points (observation_id varchar, type varchar, value varchar);
create table if not exists resolver.components (observation_id varchar, component_id varchar);
create table if not exists resolver.super_records (
    component_id varchar, unique_id varchar, given_name varchar, given_forms varchar[], surname varchar, suffix varchar,
    date_of_birth varchar, street varchar, house_number varchar, street_name varchar, postcode varchar, city varchar,
    emails varchar[], mailboxes varchar[], mailbox_numbers varchar[], mailbox_cores varchar[], phones varchar[]);
create table if not exists resolver.block_keys (rule varchar, key ubigint, unique_id varchar);
create table if not exists resolver.linked (observation_id varchar, linked_id varchar);
create table if not exists resolver.unlinks (left_id varchar, right_id varchar);
