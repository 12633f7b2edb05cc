-- What people decided, as far as the batch tells it; of a document that comes twice the first counts.
-- grain: one row per decision to write · key: review_id · inputs: staging.reviews, work.accepted, decision.reviews
with documents as (
    select * exclude (problem) from staging.reviews semi join work.accepted using (source_seq)
),

current_rows as (
    select * from decision.reviews where review_id in (select review_id from documents)
),

newest as (
    select *
    from (select * from documents union all by name select * from current_rows)
    qualify row_number() over (partition by review_id order by source_seq) = 1
)

select * from newest
except
((select * from newest limit 0) union all by name select * from current_rows)
