-- Parcels a warehouse took and has said nothing final of for too long: it is asked.
-- grain: one row per parcel · key: parcel_id
-- inputs: work.poll, outbox.instructions, core.fulfilments, decision.recalls, flow.polled
-- One that was called back is not waited for once it is stopped, and asked for often until then; also one whose answer
-- was lost, when the warehouse has it after all.
select
    i.params->>'parcel_id' as parcel_id, i.params->>'warehouse_id' as warehouse_id,
    'parcel:' || (i.params->>'parcel_id') as subject
from outbox.instructions i
cross join work.poll w
left join core.fulfilments f on f.parcel_id = (i.params->>'parcel_id')
left join flow.polled p on p.subject = 'parcel:' || (i.params->>'parcel_id')
left join decision.recalls r on r.parcel_id = (i.params->>'parcel_id')
where i.kind = 'pick_order' and coalesce(i.acked_at, i.created_at) > w.now - interval 60 day
    and (i.status = 'acknowledged' or (i.status = 'intercepted' and i.attempts > 0 and r.state in ('open', 'held_back')))
    and not coalesce(f.is_final, false)
    and r.state is distinct from 'stopped'
    and if(
        r.state in ('open', 'held_back'),
        p.asked_at is null or p.asked_at < w.now - interval 10 minute,
        greatest(i.acked_at, coalesce(f.updated_at, i.acked_at)) < w.now - w.parcel_silence
            and (p.asked_at is null or p.asked_at < w.now - w.parcel_silence))
order by coalesce(i.acked_at, i.created_at), parcel_id
limit (select at_most from work.poll)
