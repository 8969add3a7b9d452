"""The row of a profile: the same bytes for ever, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import layout

EXAMPLE = Path(__file__).with_name("profile_version_1.json")
any_row = st.binary(min_size=layout.ROW_BYTES - 2, max_size=layout.ROW_BYTES - 2).map(
    lambda rest: layout.VERSION.to_bytes(2, "little") + rest
)


def test_a_row_is_full_and_every_field_aligned() -> None:
    assert layout.ROW_BYTES == 384
    end = 0
    for name in layout.PROFILE.names or ():
        field, offset = layout.PROFILE.fields[name][:2]  # type: ignore[index]
        assert offset == end, "a gap would hold bytes that nobody set"
        assert offset % field.base.itemsize == 0
        end = offset + field.itemsize
    assert end == layout.ROW_BYTES


def test_the_version_comes_first_in_every_layout() -> None:
    assert layout.PROFILE.fields["version"][:2] == (np.dtype("<u2"), 0)  # type: ignore[index]


@given(st.lists(st.one_of(st.none(), any_row)))
def test_bytes_come_back(stored: list[bytes | None]) -> None:
    rows = layout.from_bytes(stored)
    assert layout.to_bytes(rows) == [bytes(layout.ROW_BYTES) if each is None else each for each in stored]


@given(any_row)
def test_a_dictionary_comes_back_by_way_of_json(stored: bytes) -> None:
    row = layout.from_bytes([stored])
    for name in layout.PROFILE.names or ():  # JSON has no NaN with a payload, and no profile any NaN
        if row[name].dtype.kind == "f":
            row[name] = np.nan_to_num(row[name])
    told = json.loads(json.dumps(layout.to_dict(row[0])))
    assert layout.from_dict(told).tobytes() == row.tobytes()


def test_rows_can_be_written() -> None:
    rows = layout.from_bytes([layout.VERSION.to_bytes(2, "little") + bytes(layout.ROW_BYTES - 2)])
    rows["alerts"] += 1
    assert rows["alerts"].tolist() == [1]


@pytest.mark.parametrize("version", [0, 2, 65_535])
def test_an_unknown_version_is_refused(version: int) -> None:
    stored = version.to_bytes(2, "little") + bytes(layout.ROW_BYTES - 2)
    with pytest.raises(layout.UnknownLayout, match=f"version {version}, this program reads 1"):
        layout.from_bytes([None, stored])


@pytest.mark.parametrize("size", [0, 383, 385])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(layout.UnknownLayout, match=f"has {size} bytes, version 1 has 384"):
        layout.from_bytes([bytes(size)])


def test_a_profile_of_version_1_is_read_for_ever() -> None:
    """The file was written once, by the first release. It never changes; a new version adds another."""
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    stored = bytes.fromhex("".join(example["hex"]))
    assert layout.to_dict(layout.from_bytes([stored])[0]) == example["fields"]
    assert layout.to_bytes(layout.from_dict(example["fields"])) == [stored]
