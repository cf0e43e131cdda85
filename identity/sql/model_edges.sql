-- reads: scored_pairs
-- makes: model_edges

-- What the model makes of the scored pairs.
create or replace temp table model_edges as
select unique_id_l as left_id, unique_id_r as right_id, 'model' as kind, 'model' as rule,
    match_probability as probability, match_weight as weight,
    json_object(
        'given_name', round(mw_given_name, 2), 'surname', round(mw_surname, 2),
        'date_of_birth', round(mw_date_of_birth, 2), 'email', round(mw_email, 2), 'phone', round(mw_phone, 2),
        'address', round(mw_address, 2)) as evidence,
    $version as model_version
from scored_pairs
