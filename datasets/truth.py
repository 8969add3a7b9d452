"""What a synthetic file knows beyond its labels: each fraud's scenario and episode.

Purpose: the columns of a synthetic file are those of a genuine one, so that nothing can learn from
the scenario's name. It travels in the parquet's own metadata instead, and is read by whoever judges.

Not here: labels (a column of the file), the scenarios themselves (`traffic`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

KEY = b"sentinel.truth"


class Truth(NamedTuple):
    """One entry a fraud: its ``row`` in the file, its ``scenario`` (a position in ``names``), its episode."""

    names: list[str]
    row: list[int]
    scenario: list[int]
    episode: list[int]

    @classmethod
    def of(
        cls, names: tuple[str, ...], scenario: npt.NDArray[np.int8], episode: npt.NDArray[np.int32]
    ) -> Truth:
        """From a whole file's columns, where an honest row's scenario is negative."""
        row = np.flatnonzero(scenario >= 0)
        return cls(list(names), row.tolist(), scenario[row].tolist(), episode[row].tolist())

    def metadata(self) -> dict[bytes, bytes]:
        """As parquet files carry it."""
        return {KEY: msgspec.json.encode(self)}

    def columns(self, rows: int) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
        """Scenario and episode of each of so many rows, empty where it was no fraud."""
        scenario, episode = np.full(rows, "", object), np.full(rows, "", object)
        scenario[self.row] = [self.names[number] for number in self.scenario]
        episode[self.row] = [f"E{number:06d}" for number in self.episode]
        return scenario, episode


def read(metadata: Mapping[bytes, bytes] | None) -> Truth | None:
    """From a parquet schema's metadata; None for every file that `synthesize` did not write."""
    text = (metadata or {}).get(KEY)
    return msgspec.json.decode(text, type=Truth) if text else None
