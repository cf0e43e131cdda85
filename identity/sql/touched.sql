-- reads: changed
-- makes: touched

-- Observations whose place may be another now; later steps find more of them.
create or replace temp table touched as
select observation_id from changed where not is_seen_again_only
