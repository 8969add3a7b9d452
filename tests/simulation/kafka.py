"""A Kafka in memory, as one worker's process meets it: its group, its producer, its transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from sentinel_cli.engine.messages import Part
from sentinel_cli.streaming.batches import Ack, BrokerAway, Fenced, Letter, Listener, RecordBatch
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.columnar import Columnar
from sentinel_cli.streaming.footing import Homes
from sentinel_cli.streaming.in_place import InPlace
from tests.poison.in_place import laid_out

if TYPE_CHECKING:
    from tests.simulation.process import Process

DECODER = Decoder(())


class Record:
    """A Kafka message, as far as it is looked at."""

    def __init__(self, partition: int, offset: int, value: bytes) -> None:
        self._partition, self._offset, self._value = partition, offset, value

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def key(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_NOT_AVAILABLE, -1


class Memory:
    """Memory that lives as long as a batch points to it."""

    def __init__(self, records: list[bytes]) -> None:
        self.blob = np.frombuffer(b"".join(records), np.uint8)

    def check(self) -> None:
        return


def forget(batch: RecordBatch) -> RecordBatch:
    """The engine knows a transaction that comes again, and would hide what must not happen: here it has no
    name that it could be known by."""
    batch.columns.rows["transaction"] = 0
    return batch


class SimSource:
    """A consumer: hears of its partitions only while it polls. ``only``: it has these, and no group."""

    def __init__(self, process: Process, homes: Homes | None, only: list[int] | None) -> None:
        self._process, self._world, self._only = process, process.world, only
        self._plain, self._native = Columnar(DECODER, homes), InPlace(DECODER, homes)
        self.mine: dict[int, int] = {}
        self._beginning: list[int] = []  # whose listener is being told now
        self.coming: set[int] = set()
        self.leaving: dict[int, Process] = {}  # and whose they will be
        self.expelled = False  # which it does not know yet
        self.generation = 0

    def open(self, listener: Listener) -> None:
        self._listener = listener
        if self._only is not None:
            self._begin(self._only)

    def poll(self, timeout: float, limit: int) -> list[RecordBatch]:  # noqa: ARG002 - the world decides
        world = self._world
        world.anything(self._process)
        self._rebalance(world.odds.rejoin)
        batches = []
        for partition, at in list(self.mine.items()):
            if world.chance(0.3):
                continue
            if world.chance(world.odds.again):
                at = max(at - world.rng.randrange(1, 12), 0)  # noqa: PLW2901 - it is another place
            records = world.records[partition][at : at + world.rng.choice((1, 2, 5))]
            if records:
                batches.append(self._batch(partition, at, records))
                self.mine[partition] = at + len(records)
        if not batches:
            world.now += timeout
        return batches

    def _rebalance(self, rejoin: float) -> None:
        world = self._world
        if self.expelled or (self.mine and self._only is None and world.chance(rejoin)):
            self._lose_all()
        leaving, self.leaving = self.leaving, {}
        mine = sorted(leaving.keys() & self.mine.keys())
        if mine:
            self._listener.revoked(mine)
            for partition in mine:
                self.mine.pop(partition, None)
                world.hand(partition, leaving[partition])
        coming = sorted(p for p in self.coming if world.owner.get(p) is self._process)
        self.coming.clear()
        if coming:
            self._begin(coming)

    def _lose_all(self) -> None:
        """Its session was over, and it joins again; of what it had, it may get back what nobody wanted,
        and sometimes hears of that alone."""
        world = self._world
        world.note(f"{self._process} joins again")
        self.expelled = False
        self.generation += 1
        had = [p for p in sorted(self.mine) if world.owner.get(p) is self._process]
        back = {partition for partition in had if world.chance(0.8)}
        self.coming |= back
        unnoticed = back if world.chance(0.25) else set()
        self._listener.lost(sorted(self.mine.keys() - unnoticed))
        self.mine.clear()
        for partition in set(had) - back:
            del world.owner[partition]

    def _begin(self, partitions: list[int]) -> None:
        self._beginning = partitions
        starts = self._listener.assigned(partitions)
        self.mine.update({p: at or 0 for p, at in starts.items()})
        self._beginning = []

    def holds(self, partition: int) -> bool:
        return partition in self.mine or partition in self._beginning

    def _batch(self, partition: int, at: int, records: list[bytes]) -> RecordBatch:
        """Every second partition's records are read where they stand, as the native source does it."""
        end = at + len(records)
        if partition % 2:
            memory = Memory(records)
            whole, messages = Part(partition, 0, len(records), end), laid_out([*records], memory.blob, at)
            return forget(self._native([whole], messages, memory)[0])
        apart: list[Any] = [Record(partition, at + i, value) for i, value in enumerate(records)]
        return forget(self._plain(partition, apart, end))

    def serve(self, timeout: float) -> None:
        self._world.now += timeout
        self._world.anything(self._process)
        self._rebalance(self._world.odds.rejoin_waiting)

    def restart(self, partition: int, offset: int | None) -> None:
        if partition in self.mine:
            self.mine[partition] = offset or 0

    def commit(self, offsets: dict[int, int]) -> None:
        self._world.commit(offsets)

    def committed(self, partition: int) -> int | None:
        self._world.anything(self._process)
        return self._world.committed.get(partition)

    def first(self, partition: int) -> int:  # noqa: ARG002 - nothing ever expires here
        return 0

    def end(self, partition: int) -> int:
        return len(self._world.records[partition])

    def ends(self) -> dict[int, tuple[int, int]]:
        wanted = range(self._world.count) if self._only is None else self._only
        return {p: (0, len(self._world.records[p])) for p in wanted}

    def close(self) -> None:
        return


class SimSink:
    """Letters arrive when the network brings them; a worker that dies takes some of them along."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        self._flying: list[tuple[Letter, Ack]] = []

    def send(self, letter: Letter, ack: Ack) -> None:
        self._world.anything(self._process)
        ack.pending += 1
        self._flying.append((letter, ack))

    def poll(self, timeout: float = 0.0) -> None:
        world = self._world
        world.now += timeout
        if world.now < world.kafka_back:
            return
        while self._flying and not world.chance(world.odds.late_ack):
            letter, ack = self._flying.pop(0)
            world.letters.append(letter)
            world.anything(self._process)  # on the topic, and its acknowledgement may never be heard
            ack.done(None)


class SimTransactor:
    """All letters and the offset or nothing; refused to a worker whose partition the group gave away."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        world, source = self._world, self._process.source
        generation = source.generation
        world.anything(self._process)
        if (
            world.owner.get(partition) is not self._process
            or source.expelled
            or source.generation > generation
        ):
            raise Fenced
        if world.now < world.kafka_back or world.chance(world.odds.away):
            raise BrokerAway
        world.letters += letters
        world.committed[partition] = end
        world.anything(self._process)
