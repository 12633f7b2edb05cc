-- Instructions that are due to one receiver, oldest first.
-- grain: one row per instruction · key: instruction_id · inputs: work.dispatching(receiver, kinds, now, done, size), outbox.instructions
-- A row still in `sending` belongs to a dispatcher that died; the receiver's lock says that nobody else is at it.
select *
from outbox.instructions
where target = (select receiver from work.dispatching)
    and list_contains((select kinds from work.dispatching), kind)
    and status in ('pending', 'sending')
    and due_at <= (select now from work.dispatching)
    and not list_contains((select done from work.dispatching), instruction_id)
order by created_at, instruction_id
limit (select size from work.dispatching)
