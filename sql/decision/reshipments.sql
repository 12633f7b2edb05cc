-- Parcels of resends and exchanges, line by line: which may go, from which warehouse, and what the others wait for.
-- grain: one row per parcel and line · key: (parcel_id, line_no)
-- inputs: work.reship_asked, work.reshippable, work.return_goods, work.returns, work.return_lines,
--         work.routes, work.free_stock, work.handed, work.parcels, work.recalls, core.fulfilments, decision.reshipments,
--         outbox.instructions, ref.goods
-- A parcel a receiver has heard of stands as it is. An exchange goes when what came back has passed, and never holds more
-- than that; a resend when the goods it makes up for are on their way or lost, and not before a newer one of its line.
with told as (
    select distinct params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (select order_id from work.reship_asked) and kind in ('pick_order', 'waybill')
        and (attempts > 0 or status = 'sending')
),

standing as (
    select b.*
    from decision.reshipments b
    semi join told using (parcel_id)
    where b.order_id in (select order_id from work.reship_asked)
),

places as (  -- where the goods came from, and whether they are out of the house or will not leave it any more
    select
        g.order_id, g.line_no, min(g.parcel_id) as origin,
        coalesce(arg_min(g.warehouse_id, g.parcel_id), min(g.warehouse_id)) as warehouse_id,
        bool_and(g.left_pieces > 0 or coalesce(f.is_final, false)) as is_out
    from work.return_goods g
    left join core.fulfilments f using (parcel_id)
    group by all
),

passed as (
    select r.return_id, r.request_id, r.state, l.order_id, l.line_no, l.expected
    from work.returns r
    left join work.return_lines l using (return_id)
    where r.kind = 'exchange'
),

newer as (  -- resends of which a later one was granted for the same line before anybody heard of them
    select distinct a.parcel_id
    from work.reship_asked a
    join work.reship_asked b using (order_id, line_no)
    where a.kind = 'resend' and b.kind = 'resend' and b.number > a.number
),

asked as (
    select
        a.parcel_id, a.order_id, a.line_no, a.kind, a.review_id, a.refund_id, a.granted_at, a.platform_line_id, a.sku,
        if(a.sku = a.ordered_sku, a.product_name, g.name) as product_name,
        if(a.sku = a.ordered_sku, a.weight_kg, g.weight_kg) as weight_kg,
        if(
            a.kind = 'resend', least(a.asked, a.ordered), least(coalesce(a.asked, p.expected), p.expected)
        )::integer as quantity,
        w.origin, w.warehouse_id as home_id, o.fallback_id,
        case
            when n.parcel_id is not null then '已有更新的补发'
            when a.sku is null or g.sku is null then '商品编码不在商品资料里'
            when a.kind = 'exchange' and coalesce(p.state, '') <> 'received' then '等待退货入库并质检通过'
            when a.kind = 'resend' and not coalesce(w.is_out, false) then '原包裹尚未出库'
            when m.parcel_id is null then '订单或售后状态不允许发出'
            when w.warehouse_id is null then '没有发货仓库'
        end as obstacle
    from work.reship_asked a
    left join places w using (order_id, line_no)
    left join work.routes o using (order_id)
    left join passed p on p.request_id = a.review_id and p.order_id = a.order_id and p.line_no = a.line_no
    left join newer n using (parcel_id)
    left join work.reshippable m using (parcel_id)
    left join ref.goods g on g.sku = a.sku
    anti join standing s on s.parcel_id = a.parcel_id
),

parcels as (
    select
        parcel_id, min(home_id) as home_id, min(fallback_id) as fallback_id,
        min(obstacle) as obstacle, bool_or(obstacle = '已有更新的补发') as is_superseded
    from asked
    group by parcel_id
),

spoken_for as (  -- by the orders of this decision, less what the parcels judged here kept so far
    select warehouse_id, sku, sum(quantity) as quantity
    from (
        select warehouse_id, sku, quantity from work.parcels
        union all
        select b.warehouse_id, b.sku, -b.quantity
        from decision.reshipments b
        where b.order_id in (select order_id from work.handed) and b.state = 'planned'
            and b.parcel_id in (select parcel_id from asked)
    )
    group by all
),

wanted as (
    select
        a.parcel_id, p.home_id, p.fallback_id, a.sku,
        sum(a.quantity) over (partition by p.home_id, a.sku order by a.granted_at, a.parcel_id) as at_home,
        sum(a.quantity) over (partition by p.fallback_id, a.sku order by a.granted_at, a.parcel_id) as elsewhere
    from asked a
    join parcels p using (parcel_id)
    where p.obstacle is null
),

supply as (  -- stock that is not known is taken to be there, but not a reason to go elsewhere
    select
        w.parcel_id,
        bool_and(coalesce(h.free - coalesce(x.quantity, 0) >= w.at_home, true)) as fits_home,
        bool_and(coalesce(e.free - coalesce(y.quantity, 0) >= w.elsewhere, false)) as fits_elsewhere
    from wanted w
    left join work.free_stock h on h.warehouse_id = w.home_id and h.sku = w.sku
    left join spoken_for x on x.warehouse_id = w.home_id and x.sku = w.sku
    left join work.free_stock e on e.warehouse_id = w.fallback_id and e.sku = w.sku
    left join spoken_for y on y.warehouse_id = w.fallback_id and y.sku = w.sku
    group by w.parcel_id
)

select
    a.parcel_id, a.order_id, a.line_no, a.kind, if(a.kind = 'exchange', 'HHCK', 'BFCK') as order_type,
    case when p.is_superseded then 'superseded' when p.obstacle is not null then 'waiting' else 'planned' end as state,
    p.obstacle as reason, a.review_id, a.refund_id, a.granted_at, a.origin as origin_parcel_id,
    if(not s.fits_home and s.fits_elsewhere, p.fallback_id, p.home_id) as warehouse_id,
    a.platform_line_id, a.sku, a.product_name, a.quantity, a.weight_kg
from asked a
join parcels p using (parcel_id)
left join supply s using (parcel_id)
where a.quantity > 0 or p.obstacle is not null
union all by name
select * replace (
    case when r.state = 'stopped' then 'stopped' else standing.state end as state,
    case when r.state = 'stopped' then '已拦截' else standing.reason end as reason
)
from standing
left join (select parcel_id, state from work.recalls) r using (parcel_id)
