-- reads: outcomes
-- makes: conformed.duplicates

insert into conformed.duplicates by name
select event_id, source, file_id, line_number from outcomes where outcome = 'duplicate'
