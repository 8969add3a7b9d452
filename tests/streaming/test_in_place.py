"""Reading in place: what msgspec gives, to the last bit, and not a byte beyond a record's end."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.traffic import Plan, Traffic
from sentinel_cli.engine import memory
from sentinel_cli.engine.jsonread import FIELDS, Reader
from sentinel_cli.engine.messages import Part
from sentinel_cli.records import Transaction
from sentinel_cli.streaming.codec import EARLIEST, LARGEST, LATEST, Decoder
from sentinel_cli.streaming.in_place import InPlace
from sentinel_cli.streaming.traffic_json import TrafficWriter
from tests.poison.fuzz import Mutator
from tests.poison.in_place import FEATURES, laid_out, same, same_before_a_wall
from tests.poison.kinds import BAD, FINE

RECORD = {
    "transaction_id": "T1", "user_id": "user_1", "timestamp": "2025-08-26T14:32:34.5Z", "amount": 12.34,
    "currency": "USD", "merchant_id": "m", "merchant_category": "5411", "country": "de", "device_id": "d_1",
    "extra": "e", "features": {"risk": -0.25, "b": 12345678901234567890, "a": None},
}  # fmt: skip


def reader() -> Reader:
    return Reader(FEATURES, earliest=EARLIEST, latest=LATEST, largest=LARGEST)


def understood(values: list[bytes]) -> list[bool]:
    blob = np.frombuffer(b"".join(values) + b"\0", np.uint8)
    messages = laid_out(list(values), blob)
    found: list[bool] = reader().read(messages.places, messages.sizes, messages.arrived).understood.tolist()
    return found


def test_the_fields_are_those_of_a_transaction() -> None:
    assert set(FIELDS) == set(Transaction.__struct_fields__)


@pytest.mark.parametrize("batch", range(4))
def test_mutated_records_are_read_as_they_are_decoded(batch: int) -> None:
    same(Mutator(11).batch(batch, 5_000), FEATURES[: batch % 3])


def test_everything_known_to_be_odd_is_read_as_it_is_decoded() -> None:
    same([*FINE.values(), *(value for value, _ in BAD.values())])


texts = st.text(max_size=12) | st.sampled_from(["US", "de", "", "T1", "x" * 256, "x" * 257, "\x7f", "2025"])
decimals = st.from_regex(r"-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
instants = st.datetimes().map(lambda t: t.isoformat() + "Z") | st.from_regex(
    r"20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,7})?(Z|[+-]0[0-9]:00)?",
    fullmatch=True,
)
values = texts.map(json.dumps) | decimals | st.sampled_from(["null", "true", "[]", "{}", '{"risk":1}'])
names = st.sampled_from([*FIELDS, *FEATURES, "other", "amoun", "amounts"])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Fields of all kinds, mostly where they belong, in any order and with any white space."""
    fields = [
        ("transaction_id", json.dumps(draw(texts), ensure_ascii=draw(st.booleans()))),
        ("user_id", json.dumps(draw(texts))),
        ("timestamp", json.dumps(draw(instants))),
        ("amount", draw(decimals)),
        *draw(st.lists(st.tuples(names, values), max_size=4)),
    ]
    inner = draw(st.lists(st.tuples(st.sampled_from([*FEATURES, "b", "ris"]), decimals), max_size=4))
    space = draw(st.sampled_from(["", " ", "\r\n\t "]))
    if inner:
        fields.append(("features", "{" + ",".join(f'"{n}":{space}{v}' for n, v in inner) + "}"))
    shuffled = draw(st.permutations(fields))
    body = f",{space}".join(f'"{name}"{space}:{space}{value}' for name, value in shuffled)
    return f"{space}{{{space}{body}{space}}}".encode()


@given(st.lists(records(), min_size=1, max_size=5))
@settings(max_examples=300)
def test_made_up_records_are_read_as_they_are_decoded(made: list[bytes]) -> None:
    same(list(made))


@given(decimals)
@settings(max_examples=500)
def test_amounts_agree_to_the_last_bit(amount: str) -> None:
    text = json.dumps(RECORD | {"features": {"risk": 0}}).replace("12.34", amount)
    same([text.replace('"risk": 0', f'"risk": {amount}').encode()])


def test_usual_records_are_understood() -> None:
    """Else everything above would hold for a reader that hands all of them over."""
    traffic = Traffic(Plan(seed=9, start=1_512_086_400_000_000, users=200))
    assert all(understood(TrafficWriter(traffic).write(0, traffic.take(2_000)).transactions))
    compact = json.dumps(RECORD, separators=(",", ":")).encode()
    assert understood([json.dumps(RECORD).encode(), compact]) == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect's constants are Linux's")
def test_nothing_is_read_beyond_the_end_of_a_record() -> None:
    """Records and every beginning of them end where a page begins that may not be read."""
    whole = json.dumps(RECORD).encode()
    mutated = [value for value in Mutator(3).batch(0, 300) if value]
    same_before_a_wall([*(whole[:size] for size in range(1, len(whole) + 1)), *FINE.values(), *mutated])


class Returned:
    def check(self) -> None:
        raise ValueError("given back")


def test_what_was_given_back_is_not_read() -> None:
    value = json.dumps(RECORD).encode()
    blob = np.frombuffer(value, np.uint8)
    [batch] = InPlace(Decoder(FEATURES))([Part(0, 0, 1, 1)], laid_out([value], blob), Returned())
    with pytest.raises(ValueError, match="given back"):
        batch.values[0]
    with pytest.raises(ValueError, match="given back"):
        batch.users[0]
    assert memory.text(memory.place_of(blob), len(value)) == value
