"""A report on an imported file as operators read it: counts, and refused rows by line and reason. No cell is quoted."""

from collections import Counter
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from orderpipe.imports.importing import LISTED, ImportReport

_STATUS = {
    "done": "已导入",
    "known": "此前已导入，本次未重复处理",
    "failed": "未能导入",
    "checked": "仅检查，未导入",
}


def as_text(report: ImportReport) -> str:
    """The report in Chinese, lines ending in a line feed."""
    at = report.imported_at and report.imported_at.astimezone(ZoneInfo("Asia/Shanghai"))
    lines = [
        f"文件：{report.file}",
        f"结果：{_STATUS[report.status]}{'，部分行被拒绝' if report.status == 'done' and report.refused else ''}",
        f"店铺：{report.shop_id or '未知'}　平台：{report.platform or '未知'}　模板：{report.mapping or '未识别'}",
        *([f"导入时间：{at:%Y-%m-%d %H:%M:%S}（北京时间）"] if at else []),
        f"行数：{report.rows}　订单：{report.documents}　新落地：{report.landed}　被拒绝的行：{report.refused}",
        f"编码：{report.encoding or '未知'}　内容哈希：{report.content_hash}",
    ]
    if report.error:
        lines += ["", f"原因：{report.error_zh}"]
    if report.other_columns:
        lines += ["", f"未映射的列（内容已保留）：{'、'.join(report.other_columns)}"]
    if report.refusals:
        lines += ["", "被拒绝的行（整个订单进入隔离区，修正后重新导出再导入）："]
        reasons = Counter(row.reason for row in report.refusals)
        lines += [f"  {reason}：{number} 处" for reason, number in reasons.most_common()]
        lines += ["", *(f"  第 {row.line} 行：{row.reason}" for row in report.refusals)]
        if len(report.refusals) >= LISTED:
            lines.append(f"  …… 仅列出前 {LISTED} 处")
    return "\n".join(lines) + "\n"


def alerts_of(reports: Iterable[ImportReport]) -> list[tuple[str, str]]:
    """What operators must hear of after an import, (key, Chinese text): files of which nothing was taken. Rows that
    were refused show as quarantine. No file is named: its name is an operator's, and may hold anything."""
    return [
        (
            f"import:{report.content_hash[:16]}",
            f"有文件未能导入（店铺 {report.shop_id or '未知'}，模板 {report.mapping or '未识别'}），"
            "原因见 inbox/failed/ 中的 .report.txt",
        )
        for report in reports
        if report.status == "failed"
    ]
