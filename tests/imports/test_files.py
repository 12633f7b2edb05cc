"""A file's records come back as they were written, whatever its encoding, separator and line ending."""

import csv
import io
import zipfile

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.imports.files import FileRefused, content_hash, open_table

few = hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
# 生僻字: beyond GBK, beyond the basic plane, and variants that old exports carry.
RARE = "𠮷䶮㛃𫖯𬤊𪚥龘喆堃犇"
CELL = st.text(
    st.one_of(
        st.sampled_from(f"{RARE}王,\"\t;|\r\n='-￥ "),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    ),
    max_size=8,
)
TABLE = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6)
)


def written(rows, separator, ending):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


@few
@given(
    rows=TABLE,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    separator=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\r\n", "\n"]),
    end_missing=st.booleans(),
)
def test_what_was_written_is_read(tmp_path, rows, encoding, separator, ending, end_missing):
    text = f"编号{separator}姓名{ending}" + written(rows, separator, ending)
    path = tmp_path / "t.csv"
    path.write_bytes((text.removesuffix(ending) if end_missing else text).encode(encoding))
    table = open_table(path)
    found = [cells for _, cells in table.records(separator)]
    assert found[0] == ["编号", "姓名"]
    blank = [cells for cells in rows if not any(cell and not cell.isspace() for cell in cells)]
    assert found[1:] == [cells for cells in rows if cells not in blank]
    assert table.content_hash == content_hash(path)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_rare_characters_survive(tmp_path, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(f"收件人,地址\n{RARE},龘村𠮷号\n".encode(encoding))
    assert list(open_table(path).records(",")) == [(1, ["收件人", "地址"]), (2, [RARE, "龘村𠮷号"])]


def test_lines_are_counted_where_a_record_begins(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,b\n1,"two\nlines\nthree"\n\n,\n2,x\n')
    assert [line for line, _ in open_table(path).records(",")] == [1, 2, 7]


@pytest.mark.parametrize("tail", ['2,"never closed\n3,x\n', '2,"cut off', '2,"', '2,"' + "x" * 200_000])
def test_a_quote_that_is_never_closed_is_no_row(tmp_path, tail):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,x\n{tail}")
    with pytest.raises(FileRefused, match="line 3 is never closed"):
        list(open_table(path).records(","))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600, "password"),
        (b"PK\x03\x04 and no archive", "damaged"),
        (b"a,b\n\xff\xfe\x80\x81,1\n", "neither UTF-8 nor GB18030"),
    ],
)
def test_what_is_no_table_says_so(tmp_path, content, why):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(FileRefused, match=why) as refused:
        open_table(path)
    assert refused.value.zh


def test_a_zip_archive_is_not_taken_for_a_workbook(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("orders.csv", "a,b\n")
    with pytest.raises(FileRefused, match="zip archive"):
        open_table(tmp_path / "t.xlsx")


def test_a_file_that_is_written_to_meanwhile_is_noticed(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    table = open_table(path)
    assert not table.changed
    with path.open("a") as file:
        file.write("3,4\n")
    assert table.changed
    path.unlink()
    assert table.changed
