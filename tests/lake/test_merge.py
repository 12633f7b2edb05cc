"""Merging: whatever the keys, hot or cold, the table is as after a plain delete and insert."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.lake import merge, transaction
from orderpipe.lake.connection import data_dir

DAY = 86_400 << 32
KEYS = st.one_of(
    st.integers(0, 400).map(lambda day: day * DAY + 7), st.integers(0, 30), st.integers(300 * DAY, 300 * DAY + 9)
)
KEY_SETS = st.sets(KEYS, max_size=12)


@pytest.fixture(autouse=True)
def empty(con):
    for table in ("core.shipments", "pii.contacts", "core.customers"):
        con.execute(f"DELETE FROM {merge.table(table).full_name}")


def fill(con, name: str, keys, label: str, rows_each: int = 1) -> None:
    con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM core.shipments LIMIT 0")
    con.execute(
        f"""INSERT INTO {name} (order_id, shipment_no, courier)
            SELECT k, n, $label FROM unnest($keys::BIGINT[]) k(k), range(1, $each + 1) n(n)""",
        {"keys": list(keys), "label": label, "each": rows_each},
    )


def stored(con) -> set[tuple]:
    rows = con.execute("SELECT order_id, shipment_no, courier FROM core.shipments").fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


@hypothesis_settings(max_examples=20, deadline=None)
@given(old=KEY_SETS, new=KEY_SETS, gone=KEY_SETS, old_rows=st.integers(1, 3), new_rows=st.integers(1, 3))
def test_replacing_is_a_plain_delete_and_insert(con, settings, old, new, gone, old_rows, new_rows):
    con.execute("DELETE FROM core.shipments")
    fill(con, "work.old_rows", old, "old", old_rows)
    fill(con, "work.new_rows", new, "new", new_rows)
    fill(con, "work.gone", new | gone, "")
    with transaction(con, settings, "lake", "test"):
        merge.append(con, "core.shipments", "work.old_rows")
    with transaction(con, settings, "lake", "test"):
        written = merge.replace(con, "core.shipments", "work.new_rows", keys="work.gone")
    assert written == len(new) * new_rows
    assert stored(con) == {(key, n, "old") for key in old - new - gone for n in range(1, old_rows + 1)} | {
        (key, n, "new") for key in new for n in range(1, new_rows + 1)
    }
    with transaction(con, settings, "lake", "test"):
        merge.remove(con, "core.shipments", "work.new_rows")
    assert {key for key, _, _ in stored(con)} == old - new - gone


def test_many_cold_keys_are_replaced_too(con, settings):
    keys = [n * 1000 for n in range(1200)] + [399 * DAY]
    fill(con, "work.old_rows", keys, "old")
    fill(con, "work.new_rows", keys[::2], "new")
    with transaction(con, settings, "lake", "test"):
        merge.append(con, "core.shipments", "work.old_rows")
        merge.replace(con, "core.shipments", "work.new_rows")
    assert stored(con) == {(key, 1, "new" if number % 2 == 0 else "old") for number, key in enumerate(keys)}


def test_rows_with_a_text_key_are_replaced(con, settings):
    def customers(name: str, rows: list[tuple[str, int]]) -> None:
        con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM core.customers LIMIT 0")
        con.executemany(f"INSERT INTO {name} (customer_id, order_count) VALUES (?, ?)", rows)

    customers("work.old_rows", [("A", 1), ("B", 1)])
    customers("work.new_rows", [("B", 2), ("C", 2)])
    with transaction(con, settings, "lake", "test"):
        merge.append(con, "core.customers", "work.old_rows")
        merge.replace(con, "core.customers", "work.new_rows")
    rows = con.execute("SELECT customer_id, order_count FROM core.customers").fetchall()
    assert sorted(rows) == [("A", 1), ("B", 2), ("C", 2)]


def test_replacing_nothing_by_nothing_writes_no_file(con, settings):
    fill(con, "work.new_rows", [], "new")

    def files() -> set:
        return set(data_dir(settings, "lake").rglob("*.parquet"))

    before = files()
    with transaction(con, settings, "lake", "test"):
        assert merge.replace(con, "core.shipments", "work.new_rows") == 0
        assert merge.append(con, "core.shipments", "work.new_rows") == 0
        merge.remove(con, "core.shipments", "work.new_rows")
    assert files() == before


def test_a_failed_transaction_leaves_the_table_as_it_was(con, settings):
    fill(con, "work.old_rows", [1, 2], "old")
    with transaction(con, settings, "lake", "test"):
        merge.append(con, "core.shipments", "work.old_rows")
    with pytest.raises(KeyboardInterrupt), transaction(con, settings, "lake", "test"):
        merge.remove(con, "core.shipments", "work.old_rows")
        raise KeyboardInterrupt
    assert {key for key, _, _ in stored(con)} == {1, 2}
