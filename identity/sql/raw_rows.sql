-- reads: conformed.observations, landing.files, landing.records, asked
-- makes: nothing: a query

-- Observations of `asked` with what they say, the file and line that said it first, and that line as it came.
select o.observation_id, o.source, f.path, o.line_number, o.first_seen_at::varchar as first_seen_at,
    to_json({
        'customer_id': o.customer_id, 'first_name': o.first_name, 'last_name': o.last_name, 'email': o.email,
        'phone': o.phone, 'date_of_birth': o.date_of_birth, 'street': o.street, 'city': o.city,
        'region': o.region, 'postcode': o.postcode, 'country': o.country, 'device_token': o.device_token,
        'anonymous_id': o.anonymous_id, 'external_ids': o.external_ids}) as says,
    r.payload
from conformed.observations o
semi join asked using (observation_id)
join landing.files f using (file_id)
left join landing.records r on r.file_id = o.file_id and r.line_number = o.line_number
