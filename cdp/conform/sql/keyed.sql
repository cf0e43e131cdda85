-- The mapped rows, each with the key of its description of a person. chr(30) stands for NULL, so that no two different
-- descriptions have the same text.
select *,
    md5_number(concat_ws(chr(31), source,
        coalesce(customer_id, chr(30)), coalesce(first_name, chr(30)), coalesce(last_name, chr(30)),
        coalesce(email, chr(30)), coalesce(phone, chr(30)), coalesce(date_of_birth, chr(30)),
        coalesce(street, chr(30)), coalesce(city, chr(30)), coalesce(region, chr(30)),
        coalesce(postcode, chr(30)), coalesce(country, chr(30)), coalesce(language, chr(30)),
        coalesce(timezone, chr(30)), coalesce(device_token, chr(30)), coalesce(anonymous_id, chr(30)),
        coalesce(external_ids::varchar, chr(30)))) as description_key
from mapped
