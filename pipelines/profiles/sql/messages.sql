-- reads: activity, conversions
-- makes: messages

-- Messages, with the last time of each outcome, however often a provider reported it. A message that was delivered, opened,
-- clicked or bounced was sent. A conversion is a row of its own.
create or replace temp table messages as
select person, channel, message,
    max(occurred_at) filter (event_type in ('sent', 'delivered', 'opened', 'clicked', 'bounced')) as sent_at,
    max(occurred_at) filter (event_type in ('delivered', 'opened', 'clicked')) as delivered_at,
    max(occurred_at) filter (event_type = 'opened') as opened_at,
    max(occurred_at) filter (event_type = 'clicked') as clicked_at,
    max(occurred_at) filter (event_type = 'replied') as replied_at,
    max(occurred_at) filter (event_type = 'bounced') as bounced_at,
    max(occurred_at) filter (event_type in ('unsubscribed', 'complained')) as unsubscribed_at,
    null::timestamptz as converted_at
from activity
where is_message_channel(channel)
group by person, channel, message
union all by name
select person, channel, message, converted_at from conversions
