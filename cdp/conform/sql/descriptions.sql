-- The distinct raw descriptions of people in this run's rows. 3 million events have far fewer descriptions, so all
-- cleaning happens here. `description_key` identifies a description within the run.
select description_key, source,
    any_value(customer_id) as customer_id, any_value(first_name) as first_name, any_value(last_name) as last_name,
    any_value(email) as email, any_value(phone) as phone, any_value(date_of_birth) as date_of_birth,
    any_value(street) as street, any_value(city) as city, any_value(region) as region,
    any_value(postcode) as postcode, any_value(country) as country, any_value(language) as language,
    any_value(timezone) as timezone, any_value(device_token) as device_token,
    any_value(anonymous_id) as anonymous_id, any_value(external_ids) as external_ids
from keyed
where refused is null
group by description_key, source
