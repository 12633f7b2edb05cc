"""Receipts: every final answer of a receiver, chained by hash, so that none can be changed or taken out unseen."""

import hashlib
from dataclasses import dataclass

import pyarrow as pa

BEGINNING = "0" * 64
_RECEIPT = pa.schema(
    [
        ("receiver", pa.string()), ("number", pa.int64()), ("instruction_id", pa.string()), ("status", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")), ("receipt", pa.string()), ("previous_hash", pa.string()),
        ("hash", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Chain:
    """The receipts of one receiver. head: the hash of the newest; broken_at: the first number that does not follow
    from the one before it, None when all do."""

    receiver: str
    length: int
    head: str
    broken_at: int | None


def prepare(con, receiver: str) -> None:
    """Fill work.receipts from work.results, linked to the newest receipt of this receiver. The caller holds the
    receiver's lock and the writer lease."""
    last = con.execute(
        "SELECT number, hash FROM outbox.receipts WHERE receiver = $1 ORDER BY number DESC LIMIT 1", [receiver]
    ).fetchone()
    number, previous = last or (0, BEGINNING)
    rows = []
    final = """SELECT instruction_id, outcome, sent_at, epoch_us(sent_at), receipt FROM work.results
               WHERE outcome IN ('acknowledged', 'rejected') ORDER BY instruction_id"""
    for instruction_id, status, at, micros, receipt in con.execute(final).fetchall():
        number += 1
        digest = _digest(previous, receiver, number, instruction_id, status, micros, receipt)
        rows.append(
            {
                "receiver": receiver, "number": number, "instruction_id": instruction_id, "status": status, "at": at,
                "receipt": receipt, "previous_hash": previous, "hash": digest,
            }
        )  # fmt: skip
        previous = digest
    con.register("receipts", pa.Table.from_pylist(rows, schema=_RECEIPT))
    con.execute("CREATE OR REPLACE TABLE work.receipts AS FROM receipts")
    con.unregister("receipts")


def chains(con) -> list[Chain]:
    """Follow every receiver's chain from its beginning."""
    found: dict[str, Chain] = {}
    rows = con.execute(
        """SELECT receiver, number, instruction_id, status, epoch_us("at"), receipt::VARCHAR, previous_hash, hash
           FROM outbox.receipts ORDER BY receiver, number"""
    )
    while batch := rows.fetchmany(10_000):
        for receiver, number, instruction_id, status, micros, receipt, previous, digest in batch:
            known = found.get(receiver, Chain(receiver, 0, BEGINNING, None))
            follows = (
                number == known.length + 1
                and previous == known.head
                and digest == _digest(previous, receiver, number, instruction_id, status, micros, receipt)
            )
            broken = known.broken_at if known.broken_at is not None or follows else number
            found[receiver] = Chain(receiver, known.length + 1, digest, broken)
    return [found[name] for name in sorted(found)]


def _digest(previous: str, *content: object) -> str:
    text = "\x1f".join("" if part is None else str(part) for part in (previous, *content))
    return hashlib.sha256(text.encode()).hexdigest()
