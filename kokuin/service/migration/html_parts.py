"""What a dry run's page is put together from: sections, tables, lists of findings, numbers for people."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from kokuin.service.migration.report import Finding

    Say: TypeAlias = Callable[..., str]
    """Sentence of a key (`section_1`, `state_passed`) with its parameters."""

MOST_ROWS = 200
"""Rows of a table; the JSON form has all."""

STYLE = """
:root{color-scheme:light}
body{font:15px/1.6 system-ui,"Hiragino Sans","Yu Gothic","Noto Sans JP",sans-serif;color:#1b1b1b;
background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.3}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #999}
table{border-collapse:collapse;width:100%;margin:.6rem 0;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #ddd}
th{background:#f2f2f2}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td{overflow-wrap:anywhere}code{font-family:ui-monospace,monospace;font-size:.9em}
.verdict{padding:.6rem 1rem;border:2px solid;font-weight:600}
.go{border-color:#1a6b2f;background:#eef8f0}.stop{border-color:#a11212;background:#fdf0f0}
svg{width:100%;height:auto;margin:.4rem 0}svg text{font-size:12px;fill:#1b1b1b}
.before{fill:#8a8a8a}.after{fill:#1f5fa8}.passed{fill:#2e7d4f}.legacy{fill:#c9a227}
.needs-proof{fill:#d9742b}.indeterminate{fill:#8a8a8a}.failed{fill:#8e1b1b}
rect{stroke:#fff;stroke-width:.5}ul.key{list-style:none;padding:0;font-size:.85rem}
ul.key li{display:inline-block;margin-right:1.2rem}ul.key svg{width:.9rem;height:.9rem;margin:0 .3rem 0 0}
p.small,footer{font-size:.85rem;color:#444}
@media print{body{max-width:none;margin:0;font-size:11px}h2{break-after:avoid}tr,svg{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


def section(number: int, say: Say, *parts: str) -> str:
    """Write one of the nine parts under its heading."""
    heading = f"{number}. {say(f'section_{number}')}"
    return f'<section id="part-{number}"><h2>{escape(heading)}</h2>{"".join(parts)}</section>'


def words(say: Say, *names: str) -> tuple[str, ...]:
    """Return the headings of columns."""
    return tuple(say(f"column_{name}") for name in names)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """Write a table whose last `numbers` columns are numbers; nothing where there are no rows."""
    if not rows:
        return ""
    first = len(head) - numbers
    marks = ["" if column < first else ' class="n"' for column in range(len(head))]
    header = "".join(f"<th{mark}>{escape(word)}</th>" for mark, word in zip(marks, head, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{mark}>{escape(cell)}</td>' for mark, cell in zip(marks, row, strict=True))}</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = f"<p>+ {len(rows) - MOST_ROWS:,}</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>{more}"


def octets(count: int) -> str:
    """Write a number of octets for people, in powers of ten."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def findings(found: Iterable[Finding], say: Say) -> str:
    """Write findings as a list: the sentence, the code, and the detail; nothing where there are none."""
    items = [
        f"<li>{escape(say(f'code_{each.code}', subject=each.subject))} <code>{escape(each.code)}</code>"
        f"{' ' + escape(each.detail) if each.detail else ''}</li>"
        for each in found
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""
