"""The SQL functions every model leans on: keyed hashes, ids, masks. Whole columns of examples at a time."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.lake import keyed

few = hypothesis_settings(max_examples=25, deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
EPOCH = datetime(2005, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 2**31 - 1).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


def column(con, expression: str, **columns: list) -> list:
    """The expression for every row of these columns."""
    con.register("given_rows", pa.table(columns))
    try:
        return [row[0] for row in con.execute(f"SELECT {expression} FROM given_rows").fetchall()]
    finally:
        con.unregister("given_rows")


@few
@given(st.lists(st.one_of(TEXT, st.none()), min_size=1, max_size=30))
def test_a_keyed_hash_is_the_same_in_sql_and_python(con, settings, values):
    expected = [
        None if v is None else hmac.new(settings.pii_key, v.encode(), hashlib.sha256).hexdigest()[:32] for v in values
    ]
    assert column(con, "keyed(v)", v=pa.array(values, pa.string())) == expected
    assert [None if v is None else keyed(settings.pii_key, v) for v in values] == expected


def test_another_key_gives_other_hashes(con, settings):
    (ours,) = column(con, "keyed(v)", v=["13812345678"])
    assert ours != keyed(b"another key of thirty-two bytes!", "13812345678")
    assert "13812345678" not in ours


def python_id(at: datetime, platform: str, number: str) -> int:
    """make_id as its definition reads: seconds since 2005, then the low 32 bits of the low half of an md5."""
    digest = hashlib.md5(f"{platform}:{number}".encode()).digest()
    return (int((at - EPOCH).total_seconds()) << 32) | int.from_bytes(digest[8:12], "little")


@few
@given(st.lists(st.tuples(MOMENTS, st.sampled_from(["taobao", "shopify"]), TEXT), min_size=1, max_size=30))
def test_an_order_id_is_a_function_of_second_platform_and_number(con, rows):
    at, platform, number = (list(values) for values in zip(*rows, strict=True))
    made = column(con, "make_id(a, p, n)", a=pa.array(at, pa.timestamp("us", "UTC")), p=platform, n=number)
    assert made == [python_id(*row) for row in rows]


@few
@given(st.lists(MOMENTS, min_size=2, max_size=30, unique=True))
def test_order_ids_sort_by_the_time_of_the_order(con, moments):
    moments = sorted(moments)
    numbers = [str(n) for n in range(len(moments))]
    made = column(con, "make_id(a, 'taobao', n)", a=pa.array(moments, pa.timestamp("us", "UTC")), n=numbers)
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    "moment", ["1970-01-01 00:00:00+00", "2004-12-31 23:59:59+00", "9999-12-31 00:00:00+00", "infinity"]
)
def test_a_time_no_order_can_have_gives_no_id_and_stops_nobody(con, moment):
    made = con.execute("SELECT make_id($at::TIMESTAMPTZ, 'taobao', '1')", {"at": moment}).fetchone()
    assert made == (None,)


NAMES = st.one_of(
    st.text("王李张刘陈杨赵黄周吴欧阳司马明华丽强伟芳", min_size=2, max_size=4),
    st.tuples(st.sampled_from(["John", "Mary", "José"]), st.sampled_from(["Smith", "O'Neil", "Lee"])).map(" ".join),
)
PHONES = st.one_of(
    st.integers(10**10, 2 * 10**10 - 1).map(str),
    st.integers(10**9, 10**10 - 1).map(lambda n: f"+1{n}"),
)
ADDRESSES = st.one_of(
    st.tuples(st.sampled_from(["文三路", "深南大道", "和平里"]), st.integers(1, 999)).map(lambda t: f"{t[0]}{t[1]}号"),
    st.tuples(st.integers(1, 9999), st.sampled_from(["Main Street", "Elm Ave", "Broadway"])).map(
        lambda t: f"{t[0]} {t[1]}"
    ),
)
DIGITS = "0123456789０１２３４５６７８９"
FREE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0*"), max_size=12)


@st.composite
def message(draw):
    """A receiver, and a message that mentions them amid anything."""
    name, phone, address = draw(NAMES), draw(PHONES), draw(ADDRESSES)
    spoken = [name, phone, address, draw(st.text(DIGITS, min_size=5, max_size=25)), draw(FREE), draw(FREE)]
    glue = draw(st.sampled_from(["", " ", "，", ":", "请", "\n"]))
    return name, phone, address, glue.join(draw(st.permutations(spoken)))


@few
@given(st.lists(message(), min_size=1, max_size=20))
def test_a_masked_message_names_neither_receiver_nor_number(con, rows):
    name, phone, address, text = (list(values) for values in zip(*rows, strict=True))
    masked = column(con, "mask_text(t, n, p, a)", t=text, n=name, p=phone, a=address)
    for (who, number, street, written), shown in zip(rows, masked, strict=True):
        assert not re.search(f"[{DIGITS}]{{5}}", shown), (written, shown)
        for secret in (who, number, street):
            assert secret not in shown, (written, shown)


@few
@given(st.lists(st.tuples(NAMES, PHONES), min_size=1, max_size=20))
def test_a_masked_name_and_phone_keep_only_what_operators_need(con, rows):
    names, phones = (list(values) for values in zip(*rows, strict=True))
    for name, shown in zip(names, column(con, "mask_name(v)", v=names), strict=True):
        assert shown[0] == name[0] and set(shown[1:]) == {"*"}, (name, shown)
    for phone, shown in zip(phones, column(con, "mask_phone(v)", v=phones), strict=True):
        assert shown == f"{phone[:3]}****{phone[-4:]}", (phone, shown)


@pytest.mark.parametrize(
    ("value", "function", "shown"),
    [
        ("张三丰", "mask_name", "张**"),
        ("张", "mask_name", "张*"),
        ("张**", "mask_name", "张**"),
        ("", "mask_name", None),
        ("13812345678", "mask_phone", "138****5678"),
        ("*******5678", "mask_phone", "*******5678"),
        ("85123456", "mask_phone", "****56"),
        ("", "mask_phone", None),
        ("+86 138-1234-5678", "plain_phone", "13812345678"),
        ("0086 13812345678", "plain_phone", "13812345678"),
        ("138 1234 5678", "plain_phone", "13812345678"),
        ("+1 (415) 555-0123", "plain_phone", "14155550123"),
        ("*******5678", "plain_phone", None),
        ("12", "plain_phone", None),
    ],
)
def test_names_and_phones_read_as_documented(con, value, function, shown):
    assert column(con, f"{function}(v)", v=[value]) == [shown]


@pytest.mark.parametrize(
    "text",
    [
        "邮箱 wang.wu@example.com 联系",
        "身份证 33010619900101123X",
        "电话 138 1234 5678",
        "请送到文三路88号三单元",
        "收件人改为王小明",
        "王小明先生代收",
        "please call Mary-Ann Smith",
        "deliver to 12 Baker Street",
    ],
)
def test_messages_lose_every_kind_of_personal_data(con, text):
    (shown,) = column(con, "mask_text(t, NULL, NULL, NULL)", t=[text])
    for secret in ("example.com", "wang.wu", "33010619900101", "1234", "文三路", "王小明", "Smith", "Baker"):
        assert secret not in shown, shown


@pytest.mark.parametrize("text", ["请包装好一点，送人的", "3件一起发", "gift wrap please", ""])
def test_harmless_messages_stay_readable(con, text):
    assert column(con, "mask_text(t, '王小明', '13812345678', '文三路88号')", t=[text]) == [text]
