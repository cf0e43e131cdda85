"""Amazon SES: events of e-mails, in an SNS envelope (webhooks) or bare (logs in Firehose or S3).

Formats: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (`eventType`) and
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (`notificationType`). A record may have several
recipients: each becomes a row. Two facts can be missing. An open or click does not name the recipient, so a record with
several recipients is refused. If the mailbox provider does not disclose the complainant, `complainedRecipients` lists
all recipients at that domain; a complaint with several recipients is therefore attributed to none of them.
"""

from __future__ import annotations

from cdp.providers.ses.webhook import WEBHOOK
from cdp.sources import FailureWords, Source
from cdp.sources.agents import is_machine

SOURCE = Source(
    name="ses",
    title="Amazon SES events",
    files=("ses_*", "ses-*", "ses.*", "amazon_ses*"),
    keys=(
        frozenset({"eventType", "mail"}),
        frozenset({"notificationType", "mail"}),
        frozenset({"Type", "MessageId", "Message"}),
    ),
    webhook=WEBHOOK,
    failures=FailureWords(permanent=(("bounce_type", "permanent"),)),
    select=rf"""
with opened as (
    select file_id, line_number, received_at, payload->>'Timestamp' as published_at,
        if(json_type(payload, '$.Message') = 'VARCHAR', try_cast(payload->>'Message' as json), payload) as content
    from raw
),
item as (
    select file_id, line_number, received_at, published_at, unnest(from_json(content, '{{
        "eventType": "VARCHAR", "notificationType": "VARCHAR",
        "mail": {{"messageId": "VARCHAR", "timestamp": "VARCHAR", "destination": ["VARCHAR"], "tags": "JSON"}},
        "bounce": {{"bounceType": "VARCHAR", "bounceSubType": "VARCHAR", "timestamp": "VARCHAR",
            "feedbackId": "VARCHAR", "bouncedRecipients": [{{"emailAddress": "VARCHAR", "status": "VARCHAR"}}]}},
        "complaint": {{"timestamp": "VARCHAR", "feedbackId": "VARCHAR", "complaintSubType": "VARCHAR",
            "complaintFeedbackType": "VARCHAR", "complainedRecipients": [{{"emailAddress": "VARCHAR"}}]}},
        "delivery": {{"timestamp": "VARCHAR", "recipients": ["VARCHAR"]}},
        "deliveryDelay": {{"timestamp": "VARCHAR", "delayType": "VARCHAR",
            "delayedRecipients": [{{"emailAddress": "VARCHAR", "status": "VARCHAR"}}]}},
        "open": {{"timestamp": "VARCHAR", "userAgent": "VARCHAR"}},
        "click": {{"timestamp": "VARCHAR", "userAgent": "VARCHAR", "link": "VARCHAR"}},
        "reject": {{"reason": "VARCHAR"}},
        "subscription": {{"timestamp": "VARCHAR", "source": "VARCHAR",
            "newTopicPreferences": {{"unsubscribeAll": "BOOLEAN",
                "topicSubscriptionStatus": [{{"topicName": "VARCHAR", "subscriptionStatus": "VARCHAR"}}]}},
            "oldTopicPreferences": {{"unsubscribeAll": "BOOLEAN",
                "topicSubscriptionStatus": [{{"topicName": "VARCHAR", "subscriptionStatus": "VARCHAR"}}]}}}}}}'))
    from opened
),
told as (
    select *,
        coalesce("eventType", "notificationType") as word,
        case word
            when 'Bounce' then list_transform(bounce."bouncedRecipients", lambda one: one."emailAddress")
            when 'Complaint' then list_transform(complaint."complainedRecipients", lambda one: one."emailAddress")
            when 'Delivery' then delivery.recipients
            when 'DeliveryDelay' then
                list_transform("deliveryDelay"."delayedRecipients", lambda one: one."emailAddress")
            else mail.destination
        end as recipients,
        coalesce(case word
            when 'Bounce' then bounce."timestamp" when 'Complaint' then complaint."timestamp"
            when 'Delivery' then delivery."timestamp" when 'DeliveryDelay' then "deliveryDelay"."timestamp"
            when 'Open' then "open"."timestamp" when 'Click' then click."timestamp"
            when 'Subscription' then subscription."timestamp"
        end, mail."timestamp", published_at) as stated_time,
        -- The changes: a global one, without a topic's name, or some topics. When a global opt-out ends, all topics
        -- are stated again.
        case
            when word is distinct from 'Subscription' then [null]
            when new."unsubscribeAll" and old."unsubscribeAll" is not true then
                [{{'topicName': null::varchar, 'subscriptionStatus': 'OptOut'}}]
            when old."unsubscribeAll" and new."unsubscribeAll" is not true then
                coalesce(nullif(new."topicSubscriptionStatus", []),
                    [{{'topicName': null::varchar, 'subscriptionStatus': 'OptIn'}}])
            else coalesce(nullif(list_filter(new."topicSubscriptionStatus", lambda one:
                not coalesce(list_contains(old."topicSubscriptionStatus", one), false)), []), [null])
        end as changes
    from (select *, subscription."newTopicPreferences" as new, subscription."oldTopicPreferences" as old from item)
),
recipient as (
    select * exclude (changes), unnest(changes) as change
    from (select *, len(recipients) as recipient_count,
        unnest(coalesce(nullif(recipients, []), [null])) as named from told)
),
read as (
    select *,
        nullif(regexp_extract(named, '([^\s<>"]+@[^\s<>"]+)', 1), '') as address,
        from_iso(stated_time) as happened_at,
        coalesce("open"."userAgent", click."userAgent") as agent,
        case
            when word = 'Send' then 'sent'
            when word = 'Delivery' then 'delivered'
            when word = 'DeliveryDelay' then 'deferred'
            when word = 'Reject' then 'rejected'
            when word in ('Rendering Failure', 'RenderingFailure') then 'failed'
            when word = 'Open' then 'opened'
            when word = 'Click' then 'clicked'
            when word = 'Bounce' and bounce."bounceSubType" in ('Suppressed', 'OnAccountSuppressionList')
                or word = 'Complaint' and complaint."complaintSubType" = 'OnAccountSuppressionList'
                then 'rejected'
            when word = 'Bounce' then 'bounced'
            when word = 'Complaint' and (recipient_count > 1
                or complaint."complaintFeedbackType" = 'not-spam') then 'custom'
            when word = 'Complaint' then 'complained'
            when change."subscriptionStatus" = 'OptOut' then 'unsubscribed'
            when change."subscriptionStatus" = 'OptIn' then 'resubscribed'
            when word = 'Subscription' then 'custom'
        end as kind
    from recipient
)
select
    file_id, line_number, received_at,
    case word when 'Bounce' then 'bouncedRecipients' when 'Complaint' then 'complainedRecipients'
        when 'Delivery' then 'recipients' when 'DeliveryDelay' then 'delayedRecipients'
        else 'mail.destination' end as person_field,
    'timestamp' as time_field,
    case
        when kind is null then 'unknown_event'
        when address is null or word in ('Open', 'Click', 'Subscription') and recipient_count > 1
            then 'no_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused
        when 'unknown_event' then 'eventType'
        when 'no_identifier' then person_field || if(person_field = 'mail.destination', ' is not one address', '')
        when 'bad_time' then time_field
    end as refused_detail,
    concat_ws(':', mail."messageId", word, lower(address), coalesce(bounce."feedbackId", complaint."feedbackId",
        stated_time), click.link, change."topicName") as event_key,
    'email' as channel,
    kind as event_type,
    case when word = 'Complaint' and recipient_count > 1 then 'Complaint of one of several' else word end
        as event_name,
    happened_at as occurred_at,
    mail."messageId" as message_ref,
    mail.tags->>'$.message_id[0]' as message_id,
    coalesce(mail.tags->>'$.campaign_id[0]', mail.tags->>'$.campaign[0]') as campaign_ref,
    word in ('Open', 'Click') and {is_machine("agent")} as is_machine,
    json_object('bounce_type', bounce."bounceType", 'bounce_sub_type', bounce."bounceSubType",
        'feedback_type', complaint."complaintFeedbackType", 'delay_type', "deliveryDelay"."delayType",
        'reason', reject.reason, 'url', click.link) as properties,
    address as email,
    kind in ('delivered', 'opened', 'clicked') as is_verified,
    case when kind in ('complained', 'unsubscribed', 'resubscribed') then 'email' end as consent_channel,
    'marketing' as consent_purpose,
    change."topicName" as consent_topic,
    if(kind = 'resubscribed', 'granted', 'withdrawn') as consent_state,
    if(change."topicName" is null, 'channel', 'topic') as consent_scope,
    'consent' as consent_basis,
    coalesce(subscription.source, word) as consent_method
from read
""",
)
