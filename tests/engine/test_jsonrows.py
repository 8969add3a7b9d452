from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_cli.engine.jsonrows import DECIMAL, DIGITS, HEX, TEXT, TIME, Field, Writer

WORDS = ("", "a", "zwölf", 'with \\" quotes', "x" * 300)
WRITER = Writer(
    (
        Field('{"index":"T', DIGITS, 9),
        Field('","word":"', TEXT, texts=WORDS),
        Field('","amount":', DECIMAL),
        Field(',"device":"', HEX, 12),
        Field('","time":"', TIME),
        Field('","episode":"', TEXT, texts=("", "E")),
        Field("", DIGITS, 2),
    ),
    '"}',
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)

rows = st.lists(
    st.tuples(
        st.integers(0, 10**17),
        st.integers(0, len(WORDS) - 1),
        st.integers(0, 10**12),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(0, LAST),
        st.integers(0, 1),
        st.integers(-1, 10**6),
    ),
    min_size=1,
    max_size=30,
)


def expected(row: tuple[int, ...]) -> dict[str, object]:
    index, word, amount, device, time, fraud, episode = row
    return {
        "index": f"T{index:09d}",
        "word": msgspec.json.decode(f'"{WORDS[word]}"'),
        "amount": amount / 1000,
        "device": f"{device & (2**48 - 1):012x}",
        "time": (EPOCH + timedelta(microseconds=time))
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z"),
        "episode": ("E" if fraud else "") + (f"{episode:02d}" if episode >= 0 else ""),
    }


@settings(deadline=None)  # the first call compiles
@given(rows)
def test_what_is_written_reads_back(rows: list[tuple[int, ...]]) -> None:
    lines = WRITER.write([np.array(column, np.int64) for column in zip(*rows, strict=True)]).split()
    assert [msgspec.json.decode(line) for line in lines] == [expected(row) for row in rows]


def test_amounts_keep_two_decimals_and_a_third_only_where_there_is_one() -> None:
    writer = Writer((Field("", DECIMAL),), " ")
    written = writer.write([np.array([0, 10, 1_500, 12_345, 31_937_391], np.int64)]).text
    assert written == b"0.00 0.01 1.50 12.345 31937.391 "


def test_no_rows_make_no_text() -> None:
    lines = WRITER.write([np.empty(0, np.int64)] * 7)
    assert lines.text == b""
    assert lines.split() == []
