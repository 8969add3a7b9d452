"""``python -m tests.poison.fuzz [RECORDS] [--seed N]``: mutated records through both readers and the engine.

Purpose: `make fuzz`. Ten million records, by default, that once were transactions, poison or nothing at
all; ``oracle`` says what must hold for each. A failure prints the records that it needs, as a piece of
Python, and exits with 1; the same seed makes the same records again.

Design: a batch is mutated as one array of bytes, so that making a record costs less than judging it.
Every batch is judged, and read in place as well as decoded, which must give the same bits, and some of it
where a byte too many ends the process; every few batches are also decoded record by record, and by
Python's own JSON parser.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tests.poison import in_place
from tests.poison.kinds import BAD, FINE, but, plus
from tests.poison.oracle import Judge, same_alone, same_elsewhere

BATCH = 20_000
# Every so many batches, and of such a batch that many records.
ALONE_EVERY, ALONE = 25, 500
# Of every batch, records that end where memory does.
AT_A_WALL = 100
ELSEWHERE_EVERY = 5
# Bytes that mean something to a parser of JSON, numbers, times or UTF-8.
TELLING = np.frombuffer(b'"\\{}[]:,0123456789eE+-.TZ/ntf \n\0\x1f\x7f\x80\xbf\xc3\xe2\xed\xf0\xff', np.uint8)
MONEY = 6  # digits of an amount before its point
SWAPS = (
    (b'"amount": ', b'"amount": -'),
    (b'"amount": ', b'"amount": 1e'),
    (b'"amount"', b'"am\\u006funt"'),
    (b'"currency"', b'"amount"'),
    (b'"country"', b'"user_id"'),
    (b"2025", b"1969"),
    (b"2025", b"2025-"),
    (b"Z", b"+00:00"),
    (b"Z", b"-23:59"),
    (b":00Z", b":60Z"),
    (b"user_1", b"\\ud83d\\ude00"),
    (b"user_1", b"\\ud83d"),
    (b"T1", b"T\\u00001"),
    (b"USD", b"\xc3\xa9\xff"),
    (b"{", b"{{"),
    (b"}", b""),
    (b"}", b', "x": [[[[1, {"user_id": 1}]]]]}'),
    (b", ", b",\r\n\t "),
)


def transactions(rng: np.random.Generator, count: int) -> list[bytes]:
    """Different users, days and amounts, so that profiles grow; every third in the compact form, every
    second with features for models, among them those that ``in_place`` reads."""
    days = [f"2025-0{month}-{day}" for month in range(1, 9) for day in range(10, 25)]
    made = []
    for i in range(count):
        fraction = f".{rng.integers(10**6)}" if i % 5 == 0 else ""
        value = but(
            transaction_id=f"T{rng.integers(10**9)}",
            user_id=f"user_{rng.integers(10**4)}",
            timestamp=f"{rng.choice(days)}T{rng.integers(10, 24)}:00:0{i % 10}{fraction}Z",
            amount=1,
            country=["US", "DE", "", "XX"][i % 4],
            merchant_id="Käse" if i % 7 == 0 else "m",
        ).replace(b'"amount": 1', b'"amount": %s' % number(rng, MONEY))
        if i % 2:
            names = rng.permutation(["risk", "a", "b", "ris"]).tolist()
            features = ", ".join(f'"{name}": {number(rng, 12).decode()}' for name in names)
            value = value[:-1] + f', "features": {{{features}}}}}'.encode()
        made.append(value if i % 3 else value.replace(b": ", b":").replace(b", ", b","))
    return made


def number(rng: np.random.Generator, most: int) -> bytes:
    """Up to ``most`` digits, mostly with few behind the point, and now and then more than a float holds."""
    whole = rng.integers(10 ** rng.integers(1, most + 1))
    behind = int(rng.choice((0, 1, 2, 2, 3) * 6 + (19,)))
    sign = "-" if most > MONEY and behind == 1 else ""
    exponent = f"e{rng.integers(-9, 3)}" if rng.random() < 0.05 else ""
    point = "." + "".join(map(str, rng.integers(10, size=behind))) if behind else ""
    return f"{sign}{whole}{point}{exponent}".encode()


class Mutator:
    """Makes batches; ``batch`` answers the same for the same seed and number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        rng = np.random.default_rng(seed)
        odd = [value for value, _ in BAD.values() if value] + list(FINE.values()) + [plus(b'"features": {}')]
        self._seeds = transactions(rng, 2_000) + [value for value in odd if len(value) < 1_000] * 4

    def batch(self, number: int, size: int) -> list[bytes | None]:
        rng = np.random.default_rng((self._seed, number))
        chosen = [self._seeds[i] for i in rng.integers(len(self._seeds), size=size)]
        for at in rng.choice(size, size // 8, replace=False):
            old, new = SWAPS[rng.integers(len(SWAPS))]
            chosen[at] = chosen[at].replace(old, new, 1)
        data = np.frombuffer(bytearray().join(chosen), np.uint8)
        bounds = np.cumsum([0, *map(len, chosen)])
        _spoil(rng, data, size)
        return _cut(rng, data.tobytes(), bounds)


def _spoil(rng: np.random.Generator, data: npt.NDArray[np.uint8], size: int) -> None:
    """Change some bytes, about every second record's."""
    places = rng.integers(len(data), size=size // 3)
    data[places] = TELLING[rng.integers(len(TELLING), size=len(places))]
    places = rng.integers(len(data), size=size // 6)
    data[places] ^= np.uint8(1) << rng.integers(8, size=len(places), dtype=np.uint8)
    for start in rng.integers(len(data), size=size // 500):
        noise = rng.bytes(int(rng.integers(400)))[: len(data) - start]
        data[start : start + len(noise)] = np.frombuffer(noise, np.uint8)


def _cut(rng: np.random.Generator, data: bytes, bounds: npt.NDArray[np.int64]) -> list[bytes | None]:
    """Cut into records, a tenth of them at another place; now and then there is none."""
    moved = rng.random(len(bounds)) < 0.1
    bounds = np.clip(bounds + moved * rng.integers(-40, 40, len(bounds)), 0, len(data))
    values: list[bytes | None] = [data[start:end] for start, end in pairwise(bounds.tolist())]
    values[rng.integers(len(values))] = None
    return values


def check(judge: Judge, values: list[bytes | None], number: int) -> int:
    """How many of them are good. Raises whatever is wrong."""
    decoded = judge(values)
    in_place.same(values)
    if sys.platform == "linux":
        in_place.same_before_a_wall([value for value in values[:AT_A_WALL] if value])
    if number % ALONE_EVERY == 0:
        few = values[:ALONE]
        same_alone(judge.decoder, few, judge(few))
    if number % ELSEWHERE_EVERY == 0:
        for at, user, row in zip(decoded.good, decoded.users, decoded.columns.rows, strict=True):
            same_elsewhere(values[at] or b"", user, row)
    return len(decoded.good)


def smallest(values: list[bytes | None], fails: Callable[[list[bytes | None]], bool]) -> list[bytes | None]:
    """As few of the records as still fail (Zeller's delta debugging, without its last step)."""
    pieces = 2
    while len(values) > 1:
        size = -(-len(values) // pieces)
        parts = [values[at : at + size] for at in range(0, len(values), size)]
        found = next((part for part in parts if fails(part)), None)
        if found is None and pieces >= len(values):
            break
        values, pieces = (found, 2) if found is not None else (values, min(2 * pieces, len(values)))
    return values


def _fails(values: list[bytes | None]) -> bool:
    try:
        check(Judge(), values, 0)
    except Exception:  # noqa: BLE001 - whatever it is, it must not be
        return True
    return False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.poison.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("records", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args(arguments)
    out, progress = sys.stdout.write, sys.stderr.write if sys.stderr.isatty() else len
    mutator, judge = Mutator(asked.seed), Judge()
    begun, done, good = time.monotonic(), 0, 0
    for number in range(-(-asked.records // BATCH)):
        values = mutator.batch(number, min(BATCH, asked.records - done))
        try:
            good += check(judge, values, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
            few = smallest(values, _fails) if _fails(values) else values
            out(
                f"{type(error).__name__}: {error}\nwith seed {asked.seed}, batch {number}: values = {few!r}\n"
            )
            return 1
        done += len(values)
        progress(f"\r{done:,} records, {done / (time.monotonic() - begun):,.0f} a second")
    took = time.monotonic() - begun
    out(
        f"{done:,} records of seed {asked.seed}, {good:,} of them good, in {took:.0f} s "
        f"({done / took:,.0f} a second): nothing found.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
