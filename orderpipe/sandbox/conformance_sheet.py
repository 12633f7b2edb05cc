"""The score sheet on paper: one self-contained HTML page, headings in Chinese and English."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

HEADINGS = {
    "orders": ("应有订单", "orders due"),
    "lost": ("漏单", "lost"),
    "stale": ("旧状态", "stale"),
    "duplicated": ("重复", "duplicated"),
    "wrong_status": ("状态错", "wrong status"),
    "wrong_money": ("金额错", "wrong money"),
    "sent_twice": ("重复发货", "sent twice"),
    "sent_wrongly": ("错发", "sent wrongly"),
    "faults_fired": ("故障触发", "faults met"),
    "invented": ("虚单", "invented"),
    "mangled": ("单号失真", "mangled numbers"),
}
VERDICTS = {
    "passed": "通过 passed",
    "failed": "未通过 failed",
    "not_met": "未触发 not met",
    "pending": "未到期 pending",
    "not_played": "未演 not played",
}
CALLS = {
    "calls": ("调用", "calls"),
    "signature": ("签名错", "bad signatures"),
    "token": ("令牌被拒", "token refused"),
    "token_reused": ("刷新令牌重用", "refresh token reused"),
    "limit": ("超限", "beyond limits"),
}
STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:78rem;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse;margin:.6rem 0 1.6rem;width:100%}th,td{padding:.3rem .5rem;text-align:right;"
    "border-bottom:1px solid #d8dee4;vertical-align:top}th{background:#f6f8fa;font-weight:600}"
    "td.t,th.t{text-align:left}small{color:#59636e;display:block;font-weight:400}.failed{background:#ffebe9}"
    ".passed td.v{color:#116329}.failed td.v{color:#a40e26;font-weight:600}.bad{color:#a40e26;font-weight:600}"
)


class Markup(str):
    """Text that is HTML already. Everything else is escaped when it is put on the page."""


def tag(name: str, *inside: object, **attributes: str) -> Markup:
    """An element. inside: Markup goes in as it is, all else escaped."""
    shown = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{shown}>{''.join(map(_safe, inside))}</{name}>")


def _safe(value: object) -> str:
    return value if isinstance(value, Markup) else escape(str(value))


def verdict_of(sheet: Mapping[str, Any]) -> str:
    """The whole sheet in one line."""
    if not sheet["final"]:
        return f"未结束 not final: the play ends at {sheet['ends']}, now {sheet['now']}"
    return "通过 PASSED" if sheet["passed"] else "未通过 FAILED"


def html(sheet: Mapping[str, Any]) -> str:
    """The score sheet as a page that needs nothing from anywhere."""
    title = "一致性测试成绩单 Conformance score sheet"
    total = sheet["total"]
    body = (
        tag("h1", title),
        tag("p", tag("strong", verdict_of(sheet)), f" · seed {sheet['seed']} · {sheet['now']}"),
        tag(
            "p", f"{total['orders']} 应有订单 orders due, {sheet['held_rows']} 行导出 rows held, "
            f"{sheet['foreign_rows']} 行不属于本次测试 rows of other shops",
        ),
        tag("h2", "平台 Platforms"),
        _platforms(sheet["platforms"]),
        tag("h2", "场景 Scenarios"),
        _rows(sheet["rows"]),
    )  # fmt: skip
    head = tag("head", Markup('<meta charset="utf-8">'), tag("title", title), tag("style", Markup(STYLE)))
    return "<!doctype html>" + tag("html", head, tag("body", *body), lang="zh-CN")


def _platforms(platforms: Iterable[Mapping[str, Any]]) -> Markup:
    names = [name for name in HEADINGS if name != "faults_fired"]
    head = tag("tr", tag("th", "平台", tag("small", "platform"), class_="t"), *_heads(names), *_heads(CALLS, CALLS))
    lines = [
        tag(
            "tr",
            tag("td", one["platform"], tag("small", one["shop_id"]), class_="t"),
            *(_number(one[name], name != "orders") for name in names),
            *(_number(one["calls"].get(name, 0), name in ("signature", "token_reused")) for name in CALLS),
        )
        for one in platforms
    ]
    return tag("table", head, *lines)


def _rows(rows: Iterable[Mapping[str, Any]]) -> Markup:
    names = [name for name in HEADINGS if name not in ("invented", "mangled")]
    head = tag(
        "tr", tag("th", "平台", tag("small", "platform"), class_="t"),
        tag("th", "场景", tag("small", "scenario"), class_="t"), *_heads(names),
        tag("th", "结论", tag("small", "verdict"), class_="t"), tag("th", "举例", tag("small", "examples"), class_="t"),
    )  # fmt: skip
    lines = []
    for row in rows:
        examples = "; ".join(f"{name}: {', '.join(numbers)}" for name, numbers in row["examples"].items())
        lines.append(
            tag(
                "tr", tag("td", row["platform"], class_="t"), tag("td", row["zh"], tag("small", row["en"]), class_="t"),
                *(_number(row[name], name not in ("orders", "faults_fired")) for name in names),
                tag("td", VERDICTS[row["verdict"]], class_="t v"),
                tag("td", tag("small", examples or row["note"]), class_="t"), class_=row["verdict"],
            )
        )  # fmt: skip
    return tag("table", head, *lines)


def _heads(names: Iterable[str], texts: Mapping[str, tuple[str, str]] = HEADINGS) -> list[Markup]:
    return [tag("th", texts[name][0], tag("small", texts[name][1])) for name in names]


def _number(value: int, is_error: bool) -> Markup:
    return tag("td", value, class_="bad") if value and is_error else tag("td", value or "·")
