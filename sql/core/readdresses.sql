-- Every address that people gave orders of the batch instead of the platform's, in clear.
-- grain: one row per decision · key: review_id
-- inputs: staging.contacts, work.accepted, work.reviews, decision.reviews, vault.raw.payloads
-- Read from the documents themselves: nothing but raw.payloads and pii.contacts holds an address.
with concerned as (
    select order_id from staging.contacts semi join work.accepted using (source_seq)
    union
    select order_id from work.reviews where action = 'readdress'
),

decided as (
    select review_id, order_id, replaced_key, decided_at, source_seq from work.reviews where action = 'readdress'
    union
    select review_id, order_id, replaced_key, decided_at, source_seq
    from decision.reviews
    where action = 'readdress' and order_id in (from concerned)
)

select d.review_id, d.order_id, d.replaced_key, d.decided_at, unnest(review_document(p.payload).address)
from vault.raw.payloads p
join decided d on d.source_seq = p.seq
