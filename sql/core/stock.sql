-- Stock that the batch changes: the newest answer of the warehouse, and what it reported to have changed since.
-- grain: one row per warehouse and goods to write · key: stock_id
-- inputs: staging.stock, work.accepted, core.stock, work.stock_changes, core.stock_changes
-- Goods that no warehouse has answered for have no stock, whatever changed.
with documents as (
    select
        stock_id, warehouse_id, sku, available as asked_available, locked, defective as asked_defective,
        updated_at as asked_at, source_seq as asked_seq
    from staging.stock
    semi join work.accepted using (source_seq)
),

current_rows as (
    select *
    from core.stock
    where stock_id in (select stock_id from documents union select stock_id from work.stock_changes)
),

newest as (
    select *
    from (
        select * from documents
        union all by name
        -- Rows from before changes were counted are what the warehouse answered.
        select
            stock_id, warehouse_id, sku, coalesce(asked_available, available) as asked_available, locked,
            coalesce(asked_defective, defective) as asked_defective, coalesce(asked_at, updated_at) as asked_at,
            coalesce(asked_seq, source_seq) as asked_seq
        from current_rows
    )
    qualify row_number() over (partition by stock_id order by asked_at desc, asked_seq desc) = 1
),

changes as (
    select stock_id, inventory_type, quantity, "at", source_seq from work.stock_changes
    union all
    select stock_id, inventory_type, quantity, "at", source_seq
    from core.stock_changes
    where stock_id in (select stock_id from newest)
),

since as (
    select
        c.stock_id, coalesce(sum(c.quantity) filter (c.inventory_type = 'ZP'), 0)::bigint as good,
        coalesce(sum(c.quantity) filter (c.inventory_type <> 'ZP'), 0)::bigint as other,
        max(c."at") as changed_at, max(c.source_seq) as source_seq
    from changes c
    join newest n on n.stock_id = c.stock_id and c."at" > n.asked_at
    group by c.stock_id
),

in_order as (
    select
        n.stock_id, n.warehouse_id, n.sku, n.asked_available + coalesce(s.good, 0) + n.locked as on_hand,
        n.asked_available + coalesce(s.good, 0) as available, n.locked, n.asked_defective + coalesce(s.other, 0) as defective,
        coalesce(s.changed_at, n.asked_at) as updated_at, greatest(n.asked_seq, coalesce(s.source_seq, 0)) as source_seq,
        n.asked_at, n.asked_available, n.asked_defective, n.asked_seq
    from newest n
    left join since s using (stock_id)
)

-- By name: a column that the table gained later stands at its end.
select * from in_order
except
((select * from in_order limit 0) union all by name select * from current_rows)
