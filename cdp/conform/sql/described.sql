-- reads: cleaned, descriptions, timezones
-- makes: described

-- Each description with its cleaned values (`cleaned`, by rowid) and the observation that it amounts to.
with typed as (
    select d.description_key, d.source, c.* exclude (description) replace (zone.name as timezone),
        -- PostgreSQL takes no NUL.
        if(contains(d.external_ids::varchar, '\u0000'), null, nullif(d.external_ids::varchar, '{}')) as external_ids
    from descriptions d
    join cleaned c on c.description = d.rowid
    left join timezones zone on zone.name = c.timezone
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
    coalesce(customer_id, email, phone, device_token, anonymous_id) is not null or has_platform_id(external_ids)
        or (first_name is not null and last_name is not null) as describes_someone
from typed
