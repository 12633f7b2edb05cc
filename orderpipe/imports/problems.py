"""Why a row cannot be taken as it stands: the words for operators. None of them quotes a cell."""

REASONS = {
    "order_no_missing": "缺少订单编号或子订单编号",
    "id_in_scientific_notation": "编号被 Excel 改成科学计数法，末尾数字已丢失，请使用平台原始导出文件",
    "id_rounded": "编号被 Excel 按数字保存，第 15 位之后变成 0，请使用平台原始导出文件",
    "several_lines_in_one_row": "一行合并了多个子订单（订单维度报表），无法拆分，请导出商品维度报表",
    "line_twice": "同一子订单或结算明细出现两次且内容不同",
    "ordered_at_missing": "缺少下单时间",
    "ordered_at_without_seconds": "下单时间没有秒（文件被 Excel 另存过），请使用平台原始导出文件",
    "time_unreadable": "时间格式无法识别",
    "time_implausible": "时间不合理（早于 2005 年或晚于现在）",
    "money_unreadable": "金额格式无法识别",
    "quantity_unreadable": "数量缺失、小于 1 或格式无法识别",
    "status_missing": "缺少订单状态",
    "settlement_line_missing": "缺少结算单号、结算明细号、费用类型或结算时间",
    "cells_beyond_headers": "单元格多于表头，列可能错位",
    "row_cut_short": "行不完整，缺少必需的列",
}
