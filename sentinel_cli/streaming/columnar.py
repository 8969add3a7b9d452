"""Record batches of transactions: what the plain source makes of Kafka's messages for the detector."""

from __future__ import annotations

import numpy as np
from confluent_kafka import Message

from sentinel_cli.engine import ids
from sentinel_cli.streaming.avro import Text, texts
from sentinel_cli.streaming.batches import Poison, RecordBatch
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.footing import Homes
from sentinel_cli.streaming.plain_source import arrived_ms


class Columnar:
    """Makes record batches of transactions; ``decoder`` may be exchanged between two polls. ``homes``, of a
    topic that has grown, tells which records strayed, and ``text`` makes JSON of what a registry wrote."""

    def __init__(self, decoder: Decoder, homes: Homes | None = None, text: Text | None = None) -> None:
        self.decoder = decoder
        self._homes = homes
        self._text = text

    def __call__(self, partition: int, messages: list[Message], next_offset: int) -> RecordBatch:
        offsets = np.array([m.offset() for m in messages], np.int64)
        arrived = np.array([arrived_ms(m) for m in messages], np.int64)
        records = [m.value() for m in messages]
        values, unreadable = texts(records, self._text) if self._text else (records, {})
        decoded = self.decoder.decode(values, arrived)
        if self._homes is not None:
            decoded = decoded.without(self._homes.strays(partition, decoded.users))
        poison = [
            Poison(int(offsets[i]), messages[i].key(), records[i], unreadable.get(i, why))
            for i, why in decoded.bad
        ]
        good = decoded.good
        return RecordBatch(
            partition=partition,
            first_offset=int(offsets[0]) if messages else next_offset,
            next_offset=next_offset,
            users=ids.of(decoded.users),
            columns=decoded.columns,
            offsets=offsets if not poison else offsets[good],
            arrived=arrived if not poison else arrived[good],
            values=[values[i] for i in good],  # type: ignore[misc]
            poison=poison,
        )
