-- reads: judged_values, touched_values
-- makes: identity.identifier_values

-- The verdicts on touched values in the place of those that were.
delete from identity.identifier_values v using touched_values t where t.type = v.type and t.value = v.value;
insert into identity.identifier_values by name from judged_values;
