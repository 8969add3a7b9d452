"""The sink: a producer whose acknowledgements are counted, save by save."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from sentinel_cli.streaming.batches import Ack, Letter

# Seconds to wait for room, again and again, while the producer's queue is full.
ROOM = 0.1


class KafkaSink:
    """``Sink`` over ``producer`` (made by ``streaming.kafka.producer``)."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def send(self, letter: Letter, ack: Ack) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            ack.done(error)

        ack.pending += 1
        while True:
            try:
                headers: Any = list(letter.headers.items())
                self._producer.produce(
                    letter.topic, letter.value, letter.key, headers=headers, on_delivery=delivered
                )
            except BufferError:  # the broker is slower than we are: its answers make room
                self._producer.poll(ROOM)
            else:
                return

    def poll(self, timeout: float = 0.0) -> None:
        self._producer.poll(timeout)
