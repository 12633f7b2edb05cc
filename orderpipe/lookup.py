"""Finding orders and playing them back, from the lake alone: personal data stays masked."""

import re
import unicodedata
from datetime import datetime
from typing import Any

from orderpipe.config import ROOT, Settings
from orderpipe.errors import OrderpipeError
from orderpipe.lake import keyed, reader
from orderpipe.lake.connection import define_keyed

_COLUMNS = """order_id, platform, shop_id, platform_order_no, status, platform_status, payment_status, ordered_at,
    paid_at, shipped_at, completed_at, updated_at, currency, payable_amount::VARCHAR AS payable_amount,
    paid_amount::VARCHAR AS paid_amount, receiver_masked, phone_masked, province, city, district, warehouse_id,
    hold_status"""


def find_orders(settings: Settings, term: str) -> list[dict[str, Any]]:
    """Orders by phone (keyed, so the number itself is nowhere in the lake), platform order number or order_id.

    Newest first. An empty list when nothing matches.
    """
    digits = re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", term))  # ０–９ as an input method writes them, too
    plain = re.sub(r"^(00)?86(1[0-9]{10})$", r"\2", digits)  # as plain_phone of sql/functions.sql
    with reader(settings) as con:
        cursor = con.execute(
            f"""SELECT {_COLUMNS} FROM core.orders
                WHERE platform_order_no = $term OR order_id = try_cast($term AS BIGINT) OR phone_key = $phone
                ORDER BY ordered_at DESC""",
            {"term": term.strip(), "phone": keyed(settings.pii_key, plain) if len(plain) >= 7 else None},
        )
        return _rows(cursor)


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
        columns = _COLUMNS if as_of is None else _COLUMNS.replace("warehouse_id", "NULL AS warehouse_id")
        arguments = {"order": order.strip()} | ({"as_of": as_of} if as_of else {})
        found = _rows(
            con.execute(
                f"""SELECT {columns} FROM {source}
                    WHERE platform_order_no = $order OR order_id = try_cast($order AS BIGINT)""",
                arguments,
            )
        )
        if not found:
            raise OrderpipeError(
                f"no order {order}" + (f" was known at {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else ""),
                remedy="look it up with `orderpipe lookup`; `orderpipe verify` tells whether it was missed",
            )
        events = _rows(con.execute(_TIMELINE, {"order_id": found[0]["order_id"], "until": as_of}))
    return {"order": found[0], "events": events}


# What the platform told (known when the document landed), what was decided, and what was sent.
_TIMELINE = """
    SELECT * FROM (
        SELECT e."at", e.kind, e.actor, e.detail::VARCHAR AS detail, v.known_at
        FROM core.order_events e
        LEFT JOIN (SELECT source_seq, known_at FROM core.order_versions WHERE order_id = $order_id
                   UNION SELECT source_seq, known_at FROM core.refund_versions) v USING (source_seq)
        WHERE e.order_id = $order_id
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
        SELECT created_at, 'instructed', 'orderpipe', json_object('instruction', kind, 'to', target)::VARCHAR,
               created_at
        FROM outbox.instructions WHERE order_id = $order_id
        UNION ALL
        SELECT a.sent_at, 'sent', 'orderpipe',
               json_object('instruction', i.kind, 'attempt', a.attempt, 'outcome', a.status, 'error', a.error,
                   'receipt', i.receipt)::VARCHAR,
               a.sent_at
        FROM outbox.attempts a JOIN outbox.instructions i USING (instruction_id) WHERE i.order_id = $order_id
    )
    WHERE $until::TIMESTAMPTZ IS NULL OR coalesce(known_at, "at") <= $until::TIMESTAMPTZ
    ORDER BY "at", known_at, kind"""


def _rows(cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
