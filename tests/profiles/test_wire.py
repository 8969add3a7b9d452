"""Commands in Redis' own form: the very bytes that its client would send."""

from __future__ import annotations

from typing import Any

import hiredis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profiles import layout, wire

USERS = st.lists(st.text(min_size=1, max_size=300), unique=True, max_size=40)


def sent(pieces: list[wire.Piece]) -> bytes:
    return b"".join(bytes(piece) for piece in pieces)


def arguments(data: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(data)
    found: list[bytes] = reader.gets()
    assert reader.gets() is False, "there is more than one command"
    return found


def packed(*command: Any) -> bytes:
    found: bytes = hiredis.pack_command(command)
    return found


@given(st.lists(st.one_of(st.text(), st.binary(), st.integers(), st.floats()), min_size=1))
def test_a_command_is_what_the_client_would_send(given: list[str | bytes | int | float]) -> None:
    assert sent(wire.command(*given)) == packed(*given)


@given(USERS, st.text(max_size=20))
def test_every_row_goes_to_its_user(users: list[str], prefix: str) -> None:
    rows = layout.empty(len(users))
    rows["total_amount"] = np.arange(len(users))
    name, *pairs = arguments(sent(wire.mset(["offset", 17], prefix, users, rows)))
    found = dict(zip(pairs[::2], pairs[1::2], strict=True))
    rows_of = {(prefix + u).encode(): row for u, row in zip(users, layout.to_bytes(rows), strict=True)}
    assert name == b"MSET"
    assert found == {b"offset": b"17", **rows_of}


@given(USERS, st.text(max_size=20))
def test_every_answer_has_its_user(users: list[str], prefix: str) -> None:
    pieces, places = wire.mget("offset", prefix, users)
    name, first, *keys = arguments(sent(pieces))
    assert (name, first) == (b"MGET", b"offset")
    assert keys == [(prefix + users[place]).encode() for place in places.tolist()]
    assert sorted(places.tolist()) == list(range(len(users)))


def test_users_with_ids_of_one_size_are_the_very_bytes_of_the_client() -> None:
    users, rows = ["anna", "bert", "carl"], layout.empty(3)
    rows["version"] = layout.VERSION
    pairs = [
        part for user, row in zip(users, layout.to_bytes(rows), strict=True) for part in (f"p:{user}", row)
    ]
    assert sent(wire.mset(["a", 1], "p:", users, rows)) == packed("MSET", "a", 1, *pairs)
