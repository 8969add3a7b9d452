"""Charts as SVG and tables as HTML, in plain strings that a page can hold.

Purpose: small charts that need no script, no network and no fixed width. A chart draws shapes alone;
its words are HTML beside it, so that they stay readable on a phone. Colours are classes of
`report.css`: ``here`` and ``there`` are two files, ``fraud`` is a rate.

Not here: what is charted (`report`).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_HEIGHT = 100.0  # of a chart, in its own units; the page stretches it
_GAP = 0.18  # of a column's width


class Bar(NamedTuple):
    """What a pointer over it says, and its value; ``mark`` is the same of another file."""

    says: str
    value: float
    mark: float | None = None


def columns(bars: Sequence[Bar], kind: str, top: float | None = None) -> str:
    """Upright bars from left to right, as high as ``top`` at most; marks are lines across."""
    most = top or max([b.value for b in bars] + [b.mark or 0.0 for b in bars], default=0.0) or 1.0
    shapes = []
    for at, bar in enumerate(bars):
        height = _HEIGHT * min(bar.value / most, 1.0)
        box = (
            f'x="{at + _GAP / 2:.2f}" y="{_HEIGHT - height:.2f}" width="{1 - _GAP:.2f}" height="{height:.2f}"'
        )
        shapes.append(f'<rect class="{kind}" {box}><title>{escape(bar.says)}</title></rect>')
        if bar.mark is not None:
            y = _HEIGHT * (1 - min(bar.mark / most, 1.0))
            shapes.append(f'<line class="there" x1="{at}" x2="{at + 1}" y1="{y:.2f}" y2="{y:.2f}"/>')
    return _svg(len(bars), shapes)


def outlines(series: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Shares of the same bins as filled outlines over each other, each with its class."""
    most = max((max(shares, default=0.0) for _, shares in series), default=0.0) or 1.0
    width = max((len(shares) for _, shares in series), default=1)
    shapes = []
    for kind, shares in series:
        steps = [
            f"L{at} {y:.2f} L{at + 1} {y:.2f}"
            for at, y in enumerate(_HEIGHT * (1 - s / most) for s in shares)
        ]
        shapes.append(f'<path class="{kind}" d="M0 {_HEIGHT} {" ".join(steps)} L{width} {_HEIGHT}"/>')
    return _svg(width, shapes)


def axis(names: Sequence[str], *, each: bool = False) -> str:
    """Words below a chart: from its left to its right end, or one below ``each`` bar."""
    kind = "axis each" if each else "axis"
    return f'<div class="{kind}">{"".join(f"<span>{escape(name)}</span>" for name in names)}</div>'


class Cell(NamedTuple):
    """A number in a table; with a ``share``, a bar that fills so much of its track stands before it.

    ``extra`` cells are left out on a phone.
    """

    text: str
    share: float | None = None
    kind: str = "here"
    extra: bool = False


def table(headers: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    """The first column names the rows."""
    extra = [False, *(cell.extra for cell in rows[0][1])] if rows else [False] * len(headers)
    head = "".join(
        f"<th{_hidden(left_out)}>{escape(header)}</th>"
        for header, left_out in zip(headers, extra, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_cell, cells))}</tr>' for name, cells in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Class and name of each colour."""
    keys = (f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in entries)
    return f'<p class="legend">{"".join(keys)}</p>'


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.share is not None:
        width = 100 * max(min(cell.share, 1.0), 0.0)
        track = f'<span><i class="{cell.kind}" style="width:{width:.1f}%"></i></span>'
        text = f'<div class="bar">{track}<b>{text}</b></div>'
    return f"<td{_hidden(cell.extra)}>{text}</td>"


def _hidden(extra: bool) -> str:
    return ' class="extra"' if extra else ""


def _svg(width: float, shapes: Sequence[str]) -> str:
    box = f'viewBox="0 0 {width} {_HEIGHT:.0f}" preserveAspectRatio="none"'
    return f'<svg {box} role="img">{"".join(shapes)}</svg>'
