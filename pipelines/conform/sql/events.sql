-- reads: outcomes
-- makes: conformed.events

insert into conformed.events by name
select event_id, source, channel, event_type, event_name, occurred_at, received_at, observation_id, message_ref, message_id,
    campaign_ref, is_machine, is_claim, credential, amount, currency, properties, file_id, line_number
from outcomes
where outcome = 'event'
