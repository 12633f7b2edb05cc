-- The timeline of the orders that the batch changes, from all their versions, cases and reports.
-- grain: one row per event · key: event_id
-- inputs: work.touched, work.order_versions, core.order_versions, work.refund_versions, core.refund_versions, work.reviews, decision.reviews,
--         work.fulfilment_events (of core.wms_reports, core.packages, core.tracking_reports, core.goods_returns)
-- A function of the set of versions: the order they arrived in does not show.
with versions as (
    select * from work.order_versions
    union all by name
    select * from core.order_versions where order_id in (select order_id from work.touched)
),

steps as (
    select
        *,
        lag(status) over w as old_status, lag(platform_status) over w as old_platform_status,
        lag(hold_status) over w as old_hold_status, lag(paid_amount) over w as old_paid_amount,
        lag(payable_amount) over w as old_payable_amount,
        -- Some platforms hide the receiver once a parcel has left: that is no change of address.
        lag(address_key ignore nulls) over w as old_address_key,
        row_number() over w as n
    from versions
    window w as (partition by order_id order by updated_at, source_seq)
),

milestones as (  -- the first version that tells a time is the one that told us
    select order_id, 'ordered' as kind, 'buyer' as actor, ordered_at as "at",
        json_object('platform', platform, 'order_no', platform_order_no, 'payable', payable_amount::varchar, 'currency', currency) as detail,
        source_seq, run_id
    from steps where n = 1
    union all
    select order_id, 'paid', 'buyer', paid_at, json_object('paid', paid_amount::varchar, 'currency', currency), source_seq, run_id
    from steps where paid_at is not null
    qualify row_number() over (partition by order_id, paid_at order by updated_at, source_seq) = 1
    union all
    select order_id, 'shipped', 'seller', shipped_at, json_object('platform_status', platform_status), source_seq, run_id
    from steps where shipped_at is not null
    qualify row_number() over (partition by order_id, shipped_at order by updated_at, source_seq) = 1
    union all
    select order_id, 'completed', 'buyer', completed_at, json_object('platform_status', platform_status), source_seq, run_id
    from steps where completed_at is not null
    qualify row_number() over (partition by order_id, completed_at order by updated_at, source_seq) = 1
),

changes as (
    select order_id, 'status_changed' as kind, 'platform' as actor, updated_at as "at",
        json_object('from', old_status, 'to', status, 'platform_from', old_platform_status, 'platform_to', platform_status) as detail,
        source_seq, run_id
    from steps where n > 1 and (status, platform_status) is distinct from (old_status, old_platform_status)
    union all
    select order_id, 'hold_changed', 'platform', updated_at, json_object('from', old_hold_status, 'to', hold_status), source_seq, run_id
    from steps where hold_status is distinct from old_hold_status
    union all
    select order_id, 'amount_changed', 'platform', updated_at,
        json_object('payable_from', old_payable_amount::varchar, 'payable_to', payable_amount::varchar,
            'paid_from', old_paid_amount::varchar, 'paid_to', paid_amount::varchar), source_seq, run_id
    from steps where n > 1 and (payable_amount, paid_amount) is distinct from (old_payable_amount, old_paid_amount)
    union all
    select order_id, 'address_changed', 'buyer', updated_at, json_object('address_key', address_key), source_seq, run_id
    from steps where n > 1 and address_key is not null and address_key is distinct from old_address_key
),

case_versions as (
    select * from work.refund_versions
    union all by name
    select v.* from core.refund_versions v
    semi join work.touched t using (platform, shop_id, platform_order_no)
),

cases as (
    select t.order_id, 'refund_changed' as kind, 'buyer' as actor, c.updated_at as "at",
        json_object('refund_no', c.platform_refund_no, 'status', c.status, 'amount', c.amount::varchar, 'currency', c.currency) as detail,
        c.source_seq, c.run_id
    from case_versions c
    join work.touched t using (platform, shop_id, platform_order_no)
),

judgements as (  -- of people; a review that came before its order is told with the order
    select r.order_id,
        case r.action
            when 'approve' then 'review_approved'
            when 'resend' then 'resend_granted'
            when 'exchange' then 'exchange_granted'
            when 'inspect' then 'goods_inspected'
            when 'write_off' then 'written_off'
            else concat('review_', r.action, 'ed')
        end as kind, r.actor, r.decided_at as "at",
        if(
            r.request is null,
            json_object('reason', r.reason, 'warehouse', r.warehouse_id, 'forced', r.forced,
                'rules', from_json(r.covers, '[{"rule_id": "VARCHAR"}]'), 'review', r.review_id),
            json_object('reason', r.reason, 'request', r.request, 'review', r.review_id)
        ) as detail,
        r.source_seq, r.run_id
    from (select * from work.reviews union by name select * from decision.reviews) r
    semi join work.touched t using (order_id)
),

events as (
    select * from milestones union all by name select * from changes union all by name select * from cases
    union all by name select * from judgements union all by name select * from work.fulfilment_events
)

select
    md5(concat_ws('|', order_id, kind, epoch_us("at"), detail)) as event_id,
    order_id, "at", kind, actor, detail, source_seq, run_id
from events
qualify row_number() over (partition by event_id order by source_seq) = 1
