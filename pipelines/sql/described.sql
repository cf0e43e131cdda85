-- Each description with its cleaned values and the observation that it amounts to. Ids and places keep their spelling,
-- without control characters: PostgreSQL takes no NUL.
create or replace temp macro written(text) as nullif(trim(regexp_replace(text, '[\x00-\x1F\x7F]+', ' ', 'g')), '');
create or replace temp table described as
with cleaned as (
    select
        d.description_key, d.source,
        written(d.customer_id) as customer_id,
        first_name.clean as first_name,
        last_name.clean as last_name,
        email.clean as email,
        phone.clean as phone,
        date_of_birth.clean as date_of_birth,
        written(d.street) as street,
        written(d.city) as city,
        written(d.region) as region,
        postcode.clean as postcode,
        country.clean as country,
        language.clean as language,
        zone.name as timezone,
        device_token.clean as device_token,
        written(d.anonymous_id) as anonymous_id,
        if(contains(d.external_ids::varchar, '\u0000'), null, nullif(d.external_ids::varchar, '{}')) as external_ids
    from descriptions d
    left join pg_timezone_names() zone on zone.name = trim(d.timezone)
    left join clean_country country on country.raw = d.country
    left join clean_first_name first_name on first_name.raw = d.first_name
    left join clean_last_name last_name on last_name.raw = d.last_name
    left join clean_email email on email.raw = d.email
    left join clean_language language on language.raw = d.language
    left join clean_device_token device_token on device_token.raw = d.device_token
    left join clean_phone phone
        on phone.raw = d.phone and phone.country is not distinct from country.clean
    left join clean_postcode postcode
        on postcode.raw = d.postcode and postcode.country is not distinct from country.clean
    left join clean_date_of_birth date_of_birth
        on date_of_birth.raw = d.date_of_birth and date_of_birth.country is not distinct from country.clean
)
select
    *,
    md5(concat_ws(chr(31), source,
        coalesce(customer_id, chr(30)), coalesce(first_name, chr(30)), coalesce(last_name, chr(30)),
        coalesce(email, chr(30)), coalesce(phone, chr(30)), coalesce(date_of_birth::varchar, chr(30)),
        coalesce(street, chr(30)), coalesce(city, chr(30)), coalesce(region, chr(30)),
        coalesce(postcode, chr(30)), coalesce(country, chr(30)), coalesce(language, chr(30)),
        coalesce(timezone, chr(30)), coalesce(device_token, chr(30)), coalesce(anonymous_id, chr(30)),
        coalesce(external_ids::varchar, chr(30)))) as observation_id,
    coalesce(customer_id, email, phone, device_token, anonymous_id) is not null
        or (first_name is not null and last_name is not null) as describes_someone
from cleaned
