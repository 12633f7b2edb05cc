-- Packages on their way of which no scan was told for too long: the courier is asked.
-- grain: one row per tracking number · key: subject
-- inputs: work.poll, core.packages, core.fulfilments, core.tracking, flow.polled, ref.couriers, vault.pii.contacts
-- phone is personal data: it is handed to the courier, and stored nowhere.
select
    any_value(c.kuaidi100) as courier, p.tracking_no, any_value(k.phone) as phone, 'number:' || p.tracking_no as subject
from core.packages p
cross join work.poll w
join ref.couriers c on c.code = p.courier
join core.fulfilments f using (parcel_id)
left join core.tracking t on t.tracking_no = p.tracking_no
left join flow.polled a on a.subject = 'number:' || p.tracking_no
left join vault.pii.contacts k on k.order_id = f.order_id
where c.kuaidi100 <> '' and p.shipped_at > w.now - interval 60 day
    and not coalesce(t.is_closed, false)
    and greatest(p.shipped_at, coalesce(t.updated_at, p.shipped_at)) < w.now - w.package_silence
    and (a.asked_at is null or a.asked_at < w.now - w.package_pause)
group by p.tracking_no
order by min(p.shipped_at), p.tracking_no
limit (select at_most from work.poll)
