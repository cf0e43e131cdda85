-- reads: identity.identifier_values
-- makes: junk_identifiers

-- Values that are junk in every epoch.
create or replace temp view junk_identifiers as
select type, value from identity.identifier_values group by type, value having bool_and(quality = 'junk')
