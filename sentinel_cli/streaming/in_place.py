"""Record batches of transactions read where they stand in memory: what the native source makes.

Purpose: columns from librdkafka's buffers. What the compiled reader does not understand becomes bytes
and goes through the same decoder that the plain source uses for everything.

Not here: whose memory it is, and until when (``native_source``), what is understood (``jsonread``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import ids, memory
from sentinel_cli.engine.columns import Columns
from sentinel_cli.engine.ids import Ids, Integers, Lease
from sentinel_cli.engine.jsonread import Read, Reader
from sentinel_cli.engine.messages import Messages, Part
from sentinel_cli.streaming.batches import Poison, RecordBatch
from sentinel_cli.streaming.codec import EARLIEST, LARGEST, LATEST, Decoder
from sentinel_cli.streaming.footing import Homes


class InPlace:
    """Makes record batches of transactions; ``decoder`` may be exchanged between two polls. ``homes``, of a
    topic that has grown, tells which records strayed."""

    def __init__(self, decoder: Decoder, homes: Homes | None = None) -> None:
        self._homes = homes
        self.decoder = decoder  # and with it the reader

    @property
    def decoder(self) -> Decoder:
        return self._decoder

    @decoder.setter
    def decoder(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._reader = Reader(decoder.record_features, earliest=EARLIEST, latest=LATEST, largest=LARGEST)

    def __call__(self, parts: list[Part], messages: Messages, lease: Lease | None) -> list[RecordBatch]:
        """The batches that ``parts`` of ``messages`` are; they are good as long as ``lease``."""
        read = self._reader.read(messages.places, messages.sizes, messages.arrived)
        return [
            self._batch(part, messages.part(part.start, part.stop), read.part(part.start, part.stop), lease)
            for part in parts
        ]

    def _batch(self, part: Part, messages: Messages, read: Read, lease: Lease | None) -> RecordBatch:
        first = int(messages.offsets[0]) if len(messages) else part.next_offset
        owner = None
        poison: list[Poison] = []
        if self._homes is not None or not read.understood.all():
            owner, poison, messages, read = self._with_the_rest(part.partition, messages, read, lease)
        return RecordBatch(
            partition=part.partition,
            first_offset=first,
            next_offset=part.next_offset,
            users=Ids(read.users, read.user_sizes, lease=lease, owner=owner),
            columns=Columns(read.rows, read.extra),
            offsets=messages.offsets,
            arrived=messages.arrived,
            values=_Values(messages.places, messages.sizes, lease),
            poison=poison,
        )

    def _with_the_rest(
        self, partition: int, messages: Messages, read: Read, lease: Lease | None
    ) -> tuple[Ids | None, list[Poison], Messages, Read]:
        """What was not understood is decoded, and what is no transaction or strayed taken out: who owns the
        user ids that were decoded, what was taken out, and the rest."""
        keep, owner = read.understood, None
        poison: list[Poison] = []
        if not keep.all():
            keep, owner, poison = self._decode_rest(messages, read)
        if self._homes is not None:
            users = Ids(read.users, read.user_sizes, lease=lease, owner=owner)
            poison = sorted(poison + self._strays(self._homes, partition, messages, users, keep))
        if poison:
            return owner, poison, messages.only(keep), read.only(keep)
        return owner, poison, messages, read

    def _decode_rest(self, messages: Messages, read: Read) -> tuple[npt.NDArray[np.bool_], Ids, list[Poison]]:
        """Fill in the rows that were not understood. Answers which rows are transactions, who owns the
        user ids of those that were filled in, and what is no transaction."""
        rest = np.flatnonzero(~read.understood)
        values = [messages.value(at) for at in rest.tolist()]
        decoded = self._decoder.decode(values, messages.arrived[rest])
        good, users = rest[decoded.good], ids.of(decoded.users)
        read.rows[good], read.extra[good] = decoded.columns.rows, decoded.columns.extra
        read.users[good], read.user_sizes[good] = users.places, users.sizes
        keep = read.understood.copy()
        keep[good] = True
        poison = [_poison(messages, int(rest[i]), why) for i, why in decoded.bad]
        return keep, users, poison

    def _strays(
        self, homes: Homes, partition: int, messages: Messages, users: Ids, keep: npt.NDArray[np.bool_]
    ) -> list[Poison]:
        """Records that belong on another partition; they are no longer kept."""
        kept = np.flatnonzero(keep).tolist()
        found = homes.strays(partition, (users[at] for at in kept))
        keep[[kept[i] for i in found]] = False
        return [_poison(messages, kept[i], why) for i, why in found.items()]


def _poison(messages: Messages, at: int, why: str) -> Poison:
    return Poison(int(messages.offsets[at]), messages.key(at), messages.value(at), why)


class _Values:
    """The records' bytes, each copied when it is asked for."""

    def __init__(self, places: Integers, sizes: Integers, lease: Lease | None) -> None:
        self._places, self._sizes, self._lease = places, sizes, lease

    def __getitem__(self, at: int, /) -> bytes:
        if self._lease is not None:
            self._lease.check()
        return memory.text(int(self._places[at]), int(self._sizes[at]))
