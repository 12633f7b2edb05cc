"""What spreadsheets do to a cell, undone. A repair never guesses: what cannot be restored is a problem of its row."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EMPTY = frozenset({"", "-", "--", "—", "无", "null", "NULL", "None", "N/A", "#N/A"})
EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)  # order ids count seconds from here
AHEAD = timedelta(days=1)  # covers every mistaken time zone

_FORMULA = re.compile(r'="(.*)"', re.DOTALL)  # ="123": how exports keep Excel from reading a number
_BLANKS = " \t\r\n\v\f\u00a0\u3000\ufeff\u200b\x00"
_APOSTROPHES = "'’‘`＇"
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d+", re.ASCII)
_WHOLE = re.compile(r"\d+\.0+", re.ASCII)
_MONEY = re.compile(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d{1,6})?", re.ASCII)
_CURRENCY = re.compile(r"^(?:RMB|CNY|人民币|[¥$])|元$")
_TIME = re.compile(
    r"(?P<year>\d{4})(?P<sep>[-/.年])(?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
    r"(?:[T ]*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"(?: ?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2}))?)?",
    re.ASCII,
)
_NO_TIME = ("0000-00-00", "1970-01-01")  # how exports write that nothing has happened


class Unreadable(ValueError):
    """A cell that cannot be restored; the argument is a key of problems.REASONS."""


def plain(cell: str) -> str:
    """The text of a cell: `="…"` undone, blanks around it gone (tabs, full-width spaces, byte order marks), no NUL."""
    text = cell.replace("\x00", "").strip(_BLANKS)
    if match := _FORMULA.fullmatch(text):
        text = match[1].replace('""', '"').strip(_BLANKS)
    return text


def text(cell: str) -> str:
    """Free text; `-`, `--`, `无` and their like are nothing."""
    found = plain(cell)
    return "" if found in EMPTY else found


def figures(cell: str) -> str:
    """A cell that holds figures rather than words: half-width, without the apostrophe that kept Excel away."""
    found = text(cell)
    found = unicodedata.normalize("NFKC", found.lstrip(_APOSTROPHES)).strip()
    return "" if found in EMPTY else found


def identifier(cell: str) -> str:
    """An id, digit by digit. Raises Unreadable when digits are lost (4.8E+18)."""
    found = re.sub(r"\s", "", figures(cell))
    if _SCIENTIFIC.fullmatch(found):
        raise Unreadable("id_in_scientific_notation")
    if _WHOLE.fullmatch(found):  # a number cell of a workbook
        found = found.partition(".")[0]
    return found


def tracking(cell: str) -> str:
    """A waybill number; Taobao writes `No:` before it."""
    return re.sub(r"^No[:.]", "", identifier(cell), flags=re.IGNORECASE)


def money(cell: str) -> str:
    """An amount as plain decimal text, in the file's currency unit (yuan). Raises Unreadable."""
    found = _CURRENCY.sub("", figures(cell).replace(" ", "")).strip()
    found = _CURRENCY.sub("", found)
    if not found:
        return ""
    if not _MONEY.fullmatch(found):
        raise Unreadable("money_unreadable")
    return found.replace(",", "")


def count(cell: str) -> str:
    """A whole number of pieces. Raises Unreadable."""
    found = figures(cell).replace(",", "")
    if _WHOLE.fullmatch(found):
        found = found.partition(".")[0]
    if found and not re.fullmatch(r"-?[0-9]{1,9}", found):
        raise Unreadable("quantity_unreadable")
    return found


def time(cell: str, *, seconds: bool = False) -> str:
    """A time as `YYYY-MM-DD HH:MM:SS`, followed by its offset where the cell names one; local time otherwise.

    seconds: refuse a time that does not tell its second. Raises Unreadable.
    """
    found = figures(cell)
    if not found or found.startswith(_NO_TIME):
        return ""
    match = _TIME.fullmatch(found)
    if not match:
        raise Unreadable("time_unreadable")
    if seconds and match["second"] is None:
        raise Unreadable("ordered_at_without_seconds")
    parts = [int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    try:
        moment = datetime(*parts)
    except ValueError:
        raise Unreadable("time_unreadable") from None
    zone = match["zone"] or ""
    if zone in ("Z", "UTC"):
        zone = "+00:00"
    elif zone and ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    return f"{moment.isoformat(' ')}{zone}"


def moment(repaired: str, zone: ZoneInfo, now: datetime) -> datetime:
    """A repaired time in UTC; local times are of the zone. Raises Unreadable when it cannot be: before 2005, or more
    than a day after now (UTC)."""
    try:
        found = datetime.fromisoformat(repaired)
        found = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable("time_unreadable") from None
    if not EARLIEST <= found <= now + AHEAD:
        raise Unreadable("time_implausible")
    return found


def excess(number: str) -> int:
    """How many digits a number has beyond the fifteen that Excel holds; 0 for any other text."""
    return max(len(number) - 15, 0) if number.isascii() and number.isdigit() else 0


def looks_rounded(number: str) -> bool:
    """Whether a number of more than fifteen digits is what Excel makes of one: zeros behind the fifteenth digit in
    its text files, the nearest binary fraction of that in its workbooks."""
    return not number[15:].strip("0") or int(float(f"{int(number):.14e}")) == int(number)
