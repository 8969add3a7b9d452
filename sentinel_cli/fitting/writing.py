"""A fitted scorecard as the TOML file that risk teams read: points, and beside them the evidence.

Not here: what a scorecard may say (`engine.scorecard`), fitting (`learning`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from sentinel_cli.engine.scorecard import Population

if TYPE_CHECKING:
    from sentinel_cli.fitting.learning import Fitted

_ABOUT = (
    "# Points are log-odds: they add up with the bias, and 1 / (1 + exp(-sum)) is the score. Above each",
    "# factor stand its bands: from which value, the share of transactions, and the fraud rate among them.",
)

# A block is a decision that was taken already, so it is not fitted: what happens under it comes up.
_ACTIVE_BLOCK = """
# Not fitted: a block is a decision that was taken already.
[[factor]]
feature = "active_block"
cuts = [1]
points = [0.0, 4.0]
"""


def toml(name: str, habits: Population, small: float, factors: list[Fitted], bias: float) -> str:
    """The whole file, but for what only judging it tells."""
    lines = [*_ABOUT, "", f"name = {_text(name)}", f"bias = {bias}"]
    lines += [f"small_amount = {_number(small)}", "", "[population]"]
    lines += [
        f"{key} = {_number(getattr(habits, key))}" for key in habits.__struct_fields__ if key != "hour_shares"
    ]
    lines += ["hour_shares = [", *_rows_of(habits.hour_shares), "]"]
    return "\n".join(lines) + "\n" + "".join(_factor(f) for f in factors) + _ACTIVE_BLOCK


def headed(text: str, comments: Iterable[str]) -> str:
    """The file with comments before it; they are no part of its version."""
    return "".join(f"# {_visible(comment)}".rstrip() + "\n" for comment in comments) + "#\n" + text


def _factor(factor: Fitted) -> str:
    missing, *points = factor.points.tolist()
    lines = [
        "",
        *_bands(factor),
        "[[factor]]",
        f"feature = {_text(factor.column.name)}",
        f"cuts = [{', '.join(map(_number, factor.column.cuts.tolist()))}]",
        f"points = [{', '.join(map(str, points))}]",
    ]
    if missing:
        lines.append(f"missing = {missing}")
    return "\n".join(lines) + "\n"


def _bands(factor: Fitted) -> list[str]:
    """Comments: what was seen in each band."""
    column = factor.column
    names = ["missing", "below", *map(_number, column.cuts.tolist())]
    whole = column.every.sum()
    return [
        f"# {name:>12} {n / whole:6.1%} of all, {f / n:6.2%} fraud"
        for name, n, f in zip(names, column.every.tolist(), column.fraud.tolist(), strict=True)
        if n
    ]


def _rows_of(shares: list[float]) -> list[str]:
    return [f"    {', '.join(f'{s:.4f}' for s in shares[at : at + 12])}," for at in (0, 12)]


def _number(value: float) -> str:
    """As short as it can be and still be the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _text(value: str) -> str:
    """JSON's strings are TOML's."""
    return msgspec.json.encode(value).decode()


def _visible(comment: str) -> str:
    """A comment is one line: what a file's name may hold beside is shown as its escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in comment)
