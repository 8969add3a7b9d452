"""The table of ids against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.engine import ids
from sentinel_cli.engine.ids import Slots

words = st.text(max_size=3) | st.integers(0, 3_000).map(str)


@given(st.lists(st.tuples(st.lists(words, max_size=40), st.booleans()), max_size=8))
def test_slots_are_what_a_dictionary_says(steps: list[tuple[list[str], bool]]) -> None:
    slots, model = Slots(), dict[str, int]()
    for asked, forget in steps:
        found = slots.find(ids.of(asked))[0].tolist()
        assert found == [model.get(word, -1) for word in asked]
        fresh = list(dict.fromkeys(word for word in asked if word not in model))
        slots.add(ids.of(fresh))
        model.update(zip(fresh, range(len(model), len(model) + len(fresh)), strict=True))
        if forget:
            kept = list(model)[::2]
            slots.keep(np.array([model[word] for word in kept], np.int64))
            model = {word: slot for slot, word in enumerate(kept)}
        assert len(slots) == len(model)


def test_many_ids_and_few_bytes() -> None:
    """It grows beyond its first table and its first arena, more than once."""
    words = [f"user_{number}" for number in range(20_000)]
    slots = Slots()
    for at in range(0, len(words), 3_000):
        slots.add(ids.of(words[at : at + 3_000]))
    assert slots.find(ids.of(words))[0].tolist() == list(range(len(words)))
    assert slots.find(ids.of(["", "user_", "user_20000"]))[0].tolist() == [-1, -1, -1]
    half = np.arange(1, len(words), 2)
    slots.keep(half)
    assert slots.find(ids.of(words[1::2]))[0].tolist() == list(range(len(half)))
    forgotten, unknown = slots.find(ids.of(words[::2]))
    assert forgotten.max() == -1
    assert unknown == len(forgotten)


def test_an_id_becomes_a_string_again() -> None:
    found = ids.of(["Jürgen", "", "x"])
    assert [found[at] for at in range(3)] == ["Jürgen", "", "x"]
