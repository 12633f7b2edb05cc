-- The warehouse of every line of orders that are split by goods: one row a line, only where lines go different ways.
-- grain: one row per order line · key: (order_id, line_no) · inputs: work.lines_routed (routing rules over work.line_facts), work.routes
with judged as (
    select
        l.order_id, l.line_no,
        -- What cannot be told of a line alone goes with the order.
        if(l.warehouse is null or l.warehouse = 'cross_border_review', r.warehouse_id, l.warehouse) as warehouse_id,
        l.rule_id, l.rule_version, l.facts, r.decided_at, r.source_seq
    from work.lines_routed l
    join work.routes r using (order_id)
    where r.warehouse_id is distinct from 'cross_border_review'
),

apart as (
    select order_id from judged group by order_id having count(distinct warehouse_id) > 1
)

select * from judged semi join apart using (order_id)
