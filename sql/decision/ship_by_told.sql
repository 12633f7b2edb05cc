-- Which message tells of which order, for the orders that operators hear of now.
-- grain: one row per order and level · key: (order_id, level) · inputs: work.ship_by_due, work.run
select d.order_id, d.level, d.alert_key, r.started_at as told_at
from work.ship_by_due d
cross join work.run r
