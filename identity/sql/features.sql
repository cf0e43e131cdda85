-- reads: conformed.observations, changed, given_forms
-- makes: resolver.features

-- What of an observation can speak for or against another: names as compared, birthday, customer number.
delete from resolver.features where observation_id in (select observation_id from changed);

insert into resolver.features by name
with words as (
    select observation_id, c.description, c.sightings, source, customer_id, date_of_birth,
        regexp_replace(strip_accents(lower(first_name)), '[^a-z0-9 ]', ' ', 'g') as given_words,
        regexp_replace(strip_accents(lower(last_name)), '[^a-z0-9 ]', '', 'g') as surname_words
    from conformed.observations
    join changed c using (observation_id)
),
names as (
    select *,
        nullif(split_part(trim(given_words), ' ', 1), '') as given_name,
        nullif(trim(regexp_replace(surname_words, ' (jr|junior|sr|senior|ii|iii|iv)$', '')), '') as surname,
        -- With a last name, a suffix may follow either.
        coalesce(nullif(regexp_extract(surname_words, ' (jr|junior|sr|senior|ii|iii|iv)$', 1), ''),
            if(surname_words <> '', nullif(regexp_extract(trim(given_words), ' (jr|junior|sr|senior|ii|iii|iv)$', 1), ''), null)) as written_suffix
    from words
)
select observation_id, description, sightings, given_name, surname, date_of_birth,
    case written_suffix when 'junior' then 'jr' when 'senior' then 'sr' else written_suffix end as suffix,
    case when given_name is not null then coalesce(forms, [given_name]) end as given_forms,
    case when customer_id is not null then source || ':' || customer_id end as customer
from names
left join given_forms using (given_name);
