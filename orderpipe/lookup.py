"""Finding orders and playing them back, from the lake alone: personal data stays masked."""

import re
import unicodedata
from datetime import datetime
from typing import Any

from orderpipe.config import ROOT, Settings
from orderpipe.errors import OrderpipeError
from orderpipe.lake import dicts, keyed, reader
from orderpipe.lake.connection import define_keyed

_COLUMNS = """order_id, platform, shop_id, platform_order_no, status, platform_status, payment_status, ordered_at,
    paid_at, shipped_at, completed_at, updated_at, currency, payable_amount::VARCHAR AS payable_amount,
    paid_amount::VARCHAR AS paid_amount, receiver_masked, phone_masked, province, city, district, warehouse_id,
    hold_status, fulfilment_status"""


def find_orders(settings: Settings, term: str) -> list[dict[str, Any]]:
    """Orders by phone (keyed, so the number itself is nowhere in the lake), platform order number or order_id.

    Newest first. An empty list when nothing matches.
    """
    digits = re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", term))  # ０–９ as an input method writes them, too
    plain = re.sub(r"^(00)?86(1[0-9]{10})$", r"\2", digits)  # as plain_phone of sql/functions.sql
    with reader(settings) as con:
        return dicts(
            con,
            f"""SELECT {_COLUMNS} FROM core.orders
                WHERE platform_order_no = $term OR order_id = try_cast($term AS BIGINT) OR phone_key = $phone
                ORDER BY ordered_at DESC""",
            {"term": term.strip(), "phone": keyed(settings.pii_key, plain) if len(plain) >= 7 else None},
        )


def blacklist_key(settings: Settings, kind: str, given: str) -> str:
    """The key of a phone or id number as core.orders has it (phone_key, id_key), by the functions that made those.

    kind: phone or id. Raises OrderpipeError, without quoting it, when what is given is none.
    """
    import duckdb

    text = unicodedata.normalize("NFKC", given).strip()
    with duckdb.connect() as con:
        define_keyed(con, settings.pii_key)
        con.execute((ROOT / "sql" / "functions.sql").read_text("utf-8"))
        plain = {"phone": "plain_phone($1)", "id": "if(is_masked($1), NULL, upper(nullif($1, '')))"}[kind]
        (key,) = con.execute(f"SELECT keyed({plain})", [text]).fetchone()
    if key is None:
        raise OrderpipeError(
            f"this is no {kind} number in clear: empty, hidden by the platform, or too short",
            remedy="enter it whole; of an order with a hidden one take the key from core.orders",
        )
    return key


def order_timeline(settings: Settings, order: str, as_of: datetime | None = None) -> dict[str, Any]:
    """One order and everything that happened to it, oldest first; as_of (UTC): what was known at that time.

    Raises OrderpipeError when no such order is known (then).
    """
    with reader(settings) as con:
        source = "core.orders" if as_of is None else "core.orders_as_of($as_of::TIMESTAMPTZ)"
        columns = _COLUMNS
        for decided in ("warehouse_id", "fulfilment_status") if as_of else ():  # versions are the platform's word
            columns = columns.replace(decided, f"NULL AS {decided}")
        arguments = {"order": order.strip()} | ({"as_of": as_of} if as_of else {})
        found = dicts(
            con,
            f"""SELECT {columns} FROM {source}
                WHERE platform_order_no = $order OR order_id = try_cast($order AS BIGINT)""",
            arguments,
        )
        if not found:
            raise OrderpipeError(
                f"no order {order}" + (f" was known at {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else ""),
                remedy="look it up with `orderpipe lookup`; `orderpipe verify` tells whether it was missed",
            )
        events = dicts(con, _TIMELINE, {"order_id": found[0]["order_id"], "until": as_of})
    return {"order": found[0], "events": events}


# What the platform, the warehouse and the courier told (known when the document landed), what was decided, and what was
# sent: by whom, and why.
_TIMELINE = """
    WITH leads AS (
        SELECT $order_id::BIGINT AS order_id
        UNION SELECT lead_order_id FROM decision.parcels WHERE order_id = $order_id
        UNION SELECT f.order_id FROM core.fulfilments f JOIN core.fulfilment_lines l USING (parcel_id)
              WHERE l.order_id = $order_id
    ),
    instructions AS (
        SELECT * FROM outbox.instructions
        WHERE order_id IN (FROM leads)
            AND (order_id = $order_id
                 OR list_contains(from_json(params->'orders', '["VARCHAR"]'), ($order_id::BIGINT)::VARCHAR))
    ),
    events AS (
        SELECT * FROM core.order_events WHERE order_id = $order_id
    ),
    landed AS (
        SELECT source_seq, known_at FROM core.order_versions WHERE order_id = $order_id
        UNION SELECT source_seq, known_at FROM core.refund_versions WHERE source_seq IN (SELECT source_seq FROM events)
        UNION SELECT source_seq, known_at FROM core.wms_reports WHERE source_seq IN (SELECT source_seq FROM events)
        UNION SELECT source_seq, known_at FROM core.tracking_reports WHERE source_seq IN (SELECT source_seq FROM events)
        UNION SELECT source_seq, known_at FROM decision.reviews WHERE order_id = $order_id
    )
    SELECT * FROM (
        SELECT e."at", e.kind, e.actor, e.detail::VARCHAR AS detail, v.known_at
        FROM events e LEFT JOIN landed v USING (source_seq)
        UNION ALL
        SELECT decided_at, 'routed', 'orderpipe',
               json_object('warehouse', warehouse_id, 'rule', rule_id, 'rule_version', rule_version)::VARCHAR,
               decided_at
        FROM decision.routes WHERE order_id = $order_id
        UNION ALL
        SELECT decided_at, if(action = 'review', 'held_for_review', 'flagged'), 'orderpipe',
               json_object('rule', rule_id, 'reason', reason, 'rule_version', rule_version)::VARCHAR, decided_at
        FROM decision.risk_flags WHERE order_id = $order_id
        UNION ALL
        SELECT decided_at, 'recalled', 'orderpipe',
               json_object('parcel', parcel_id, 'reason', reason, 'stage', stage)::VARCHAR, decided_at
        FROM decision.recalls WHERE order_id IN (FROM leads) AND list_contains(orders, ($order_id::BIGINT)::VARCHAR)
        UNION ALL
        SELECT settled_at, 'recall_settled', 'orderpipe', json_object('parcel', parcel_id, 'state', state)::VARCHAR,
               settled_at
        FROM decision.recalls
        WHERE settled_at IS NOT NULL AND order_id IN (FROM leads)
            AND list_contains(orders, ($order_id::BIGINT)::VARCHAR)
        UNION ALL
        SELECT since, 'return_' || state, 'orderpipe',
               json_object('return', return_id, 'kind', kind, 'expected', expected, 'received_good', received_good,
                   'received_defective', received_defective)::VARCHAR, since
        FROM decision.returns WHERE order_id = $order_id AND kind NOT IN ('refund_only', 'resend')
        UNION ALL
        SELECT since, 'refund_gate', 'orderpipe',
               json_object('return', return_id, 'state', state, 'reason', reason)::VARCHAR, since
        FROM decision.refund_gates WHERE order_id = $order_id AND state <> 'not_needed'
        UNION ALL
        SELECT created_at, 'instructed', 'orderpipe',
               json_object('instruction', kind, 'to', target, 'parcel', params->>'parcel_id',
                   'reason', params->>'reason')::VARCHAR,
               created_at
        FROM instructions
        UNION ALL
        SELECT v."at", v.act, v.actor,
               json_object('instruction', i.kind, 'was', v.status_before, 'reason', v.reason)::VARCHAR, v."at"
        FROM outbox.interventions v JOIN instructions i USING (instruction_id)
        UNION ALL
        SELECT a.sent_at, 'sent', 'orderpipe',
               json_object('instruction', i.kind, 'to', i.target, 'attempt', a.attempt, 'outcome', a.status,
                   'error', a.error,
                   -- Answers from before there was a chain of receipts stand on the instruction only.
                   'receipt', coalesce(r.receipt, if(a.status = 'acknowledged', i.receipt, NULL)))::VARCHAR,
               a.sent_at
        FROM outbox.attempts a
        JOIN instructions i USING (instruction_id)
        LEFT JOIN outbox.receipts r ON r.instruction_id = a.instruction_id AND r."at" = a.sent_at
    )
    WHERE $until::TIMESTAMPTZ IS NULL OR coalesce(known_at, "at") <= $until::TIMESTAMPTZ
    ORDER BY "at", known_at, kind, detail"""
