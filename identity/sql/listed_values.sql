-- reads: nothing
-- makes: listed_values

-- Touched values that are junk or generic by their looks, by pattern after pattern.
create or replace temp table listed_values (type varchar, value varchar, quality varchar, reason varchar)
