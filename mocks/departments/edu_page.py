"""The officers' page at ``/control/``: the cases with their state, and buttons to decide them; nothing from outside.

Must not decide: it only draws what the books hold. Served to this machine only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from mocks.departments.door import Reply
from mocks.departments.edu_courses import REASONS, STATES
from mocks.departments.edu_forms import dictionary

MOST = 200
_DECIDE = (("PASSED", "准予"), ("REJECTED", "不予"))
_BUTTONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "RECEIVED": (
        ("ACCEPTED", "受理"),
        ("NEED_SUPPLEMENT", "要求补正"),
        ("NOT_ACCEPTED", "不予受理"),
        *_DECIDE,
    ),
    "ACCEPTED": (
        ("REVIEWING", "开始审查"),
        ("NEED_SUPPLEMENT", "要求补正"),
        ("SUSPENDED", "开始特别程序"),
        *_DECIDE,
    ),
    "REVIEWING": (("NEED_SUPPLEMENT", "要求补正"), ("SUSPENDED", "开始特别程序"), *_DECIDE),
    "SUSPENDED": (("REVIEWING", "结束特别程序"), ("REJECTED", "不予")),
    "NEED_SUPPLEMENT": (("SUPPLEMENT_OVERDUE", "逾期终止"),),
    "PASSED": (("MAKING", "开始制证"), ("REVOKED", "撤销决定")),
    "MAKING": (("READY", "制证完成"),),
    "READY": (("DELIVERED", "已领取"),),
    "DELIVERED": (("REVOKED", "撤销决定"),),
}
_STYLE = """
body{font:15px/1.5 "Noto Sans CJK SC","Microsoft YaHei",sans-serif;margin:24px;color:#1d2129;background:#f5f6f8}
table{border-collapse:collapse;width:100%;background:#fff}
th,td{border:1px solid #d9dce2;padding:8px 10px;text-align:left;vertical-align:top}
th{background:#eef1f6}
button,select,input{font:inherit;padding:3px 10px;margin:2px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:6px 0}dd{margin:0}
.note{color:#5b6472}
"""


def page(rows: Sequence[Mapping[str, Any]], body_of: Callable[[str], Mapping[str, Any]]) -> Reply:
    """The page for ``rows`` of the ledger, newest first; ``body_of`` gives what was filed."""
    newest = list(reversed(rows))[:MOST]
    lines = "".join(_line(row, body_of(row["case_no"])) for row in newest)
    note = f"共 {len(rows)} 件" + (f"，显示最近 {MOST} 件" if len(rows) > MOST else "")
    html = f"""<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>教育局办件（模拟）</title><style>{_STYLE}</style></head><body>
<h1>教育局办件（模拟）</h1>
<p class="note">仅供演练和测试，不是真实部门的系统。{note}。<a href="/control/">刷新</a></p>
<table><thead><tr><th scope="col">办件编号</th><th scope="col">事项</th><th scope="col">申请人</th>
<th scope="col">状态</th><th scope="col">收件时间</th><th scope="col">办理</th></tr></thead>
<tbody>{lines or '<tr><td colspan="6">暂无办件</td></tr>'}</tbody></table></body></html>
"""
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        "Cache-Control": "no-store",
    }
    return Reply(200, html.encode(), headers)


def _line(row: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    filed = escape(row["filed_at"][:19].replace("T", " "))
    return (
        f"<tr><td>{escape(row['case_no'])}<br><span class=note>{escape(row['receipt_no'])}</span></td>"
        f"<td>{escape(row['item'])}{_form(body)}</td><td>{escape(row['who'])}</td>"
        f"<td>{STATES[row['state']]}</td><td>{filed}</td><td>{_buttons(row)}</td></tr>\n"
    )


def _form(body: Mapping[str, Any]) -> str:
    labels = dictionary().get(body["itemCode"], {})
    form = body["form"]
    if "rows" in form:
        told = [(labels[row["no"]].label, row["value"]) for row in form["rows"]]
    else:
        told = list(form.items())
    told += [(material["no"], material["name"]) for material in body.get("materials", ())]
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told)
    return f"<details><summary>申请内容</summary><dl>{shown}</dl></details>"


def _buttons(row: Mapping[str, Any]) -> str:
    buttons = _BUTTONS.get(row["state"], ())
    if not buttons:
        return "已结束"
    pressed = "".join(f'<button name="state" value="{state}">{label}</button>' for state, label in buttons)
    choice = ""
    if {"REJECTED", "NOT_ACCEPTED", "REVOKED"} & {state for state, _ in buttons}:
        options = "".join(f'<option value="{code}">{code} {words}</option>' for code, words in REASONS.items())
        choice = f'<label>不予的理由 <select name="reasonCode">{options}</select></label>'
    return (
        f'<form method="post" action="/control/"><input type="hidden" name="caseNo" value="{escape(row["case_no"])}">'
        f'{choice}<label>意见 <input name="opinion" maxlength="200"></label><br>{pressed}</form>'
    )
