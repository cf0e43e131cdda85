-- reads: blocks
-- makes: identity.oversized_blocks

-- Touched blocks judged again.
delete from identity.oversized_blocks where block_id in (select format('{:016x}', key) from blocks);

insert into identity.oversized_blocks by name
select rule, format('{:016x}', key) as block_id, records as record_count from blocks where is_oversized;
