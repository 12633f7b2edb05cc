"""A small .xlsx, written by hand: no library of ours writes one."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0"?>'
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(rows: Sequence[Sequence[object]], dates: Sequence[str] = ()) -> bytes:
    """A workbook of one sheet. Texts are text cells, numbers number cells; columns named in dates show as times."""
    styled = [number for number, header in enumerate(rows[0]) if header in dates]
    body = "".join(
        f'<row r="{line}">' + "".join(_cell(line, n, value, n in styled) for n, value in enumerate(row)) + "</row>"
        for line, row in enumerate(rows, 1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": _links({"officeDocument": "xl/workbook.xml"}),
        "xl/_rels/workbook.xml.rels": _links({"worksheet": "worksheets/sheet1.xml", "styles": "styles.xml"}),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="订单" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/>'
        "</cellXfs></styleSheet>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>',
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, _HEAD + text)
    return content.getvalue()


def _links(targets: dict[str, str]) -> str:
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets.items(), 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _cell(line: int, column: int, value: object, styled: bool) -> str:
    letters = chr(65 + column) if column < 26 else "A" + chr(65 + column - 26)
    if isinstance(value, (int, float)) and not (styled and line == 1):
        return f'<c r="{letters}{line}"{" s=" + chr(34) + "1" + chr(34) if styled else ""}><v>{value!r}</v></c>'
    text = escape(str(value))
    return f'<c r="{letters}{line}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
