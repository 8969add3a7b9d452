"""The dead letters on a topic, for people: which there are, why, and what is in them.

Purpose: read `transactions.dlq` or `fraud-alerts.dlq` whole, as far as it stands now.

Design: a letter that was put back is marked on the very partition that it stands on, by a record
without key and value whose headers name its offset (``retrying`` says why). Retention deletes from
the front, so a marker never goes before its letter. Only headers are kept while reading, and the
values of the few letters that are asked for.

Not here: making dead letters (``poison``), putting them back (``retrying``).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, Message, TopicPartition
from msgspec import Struct

from sentinel_cli.errors import KafkaUnreachable, SentinelError, UsageError
from sentinel_cli.records import Source, rfc3339
from sentinel_cli.streaming import faults, poison, stored, topics
from sentinel_cli.streaming.ends import Bounds
from sentinel_cli.streaming.plain_source import arrived_ms, offset_of
from sentinel_cli.streaming.stored import partition_of

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

# Where each topic's dead letters come from, and go back to.
SOURCES = {
    topics.TRANSACTIONS_DLQ: topics.TRANSACTIONS,
    topics.FRAUD_ALERTS_DLQ: topics.FRAUD_ALERTS,
}
# The header of a marker: the offset of the letter that was put back.
RETRIED = "retried.offset"


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A letter where it stands; ``left`` bytes of its value were too many for its topic and stayed at
    the ``source``."""

    partition: int
    offset: int
    time: str
    reason: str
    source: Source | None
    key: bytes | None
    value: bytes | None
    left: int | None = None

    @property
    def place(self) -> str:
        """As `dlq show` takes it."""
        return f"{self.partition}:{self.offset}"


class Overview(Struct, kw_only=True):
    """``waiting`` letters that nobody put back yet, by kind of ``reasons``; ``retried`` are the others.
    ``newest`` are those that wait, the latest first."""

    waiting: int = 0
    retried: int = 0
    reasons: dict[str, int] = {}
    newest: list[DeadLetter] = []


Wanted = Callable[[DeadLetter], bool]


def wanted(where: str | None) -> Wanted:
    """The letters that `--where reason~text` or `key~text` asks for. Raises UsageError."""
    if where is None:
        return lambda _: True
    field, tilde, text = where.partition("~")
    if not tilde or field not in {"reason", "key"}:
        raise UsageError(f"--where takes reason~TEXT or key~TEXT, not {where!r}.")
    text = text.casefold()
    if field == "reason":
        return lambda letter: text in letter.reason.casefold()
    return lambda letter: text in (letter.key or b"").decode(errors="replace").casefold()


def overview(settings: Settings, name: str, limit: int, where: Wanted) -> Overview:
    """What waits on a topic of ``SOURCES``, with the ``limit`` newest letters.

    Raises KafkaUnreachable, or SentinelError without the topic.
    """
    # Read twice: which letters wait is known only at the end, for markers come after them.
    waiting = places(settings, name, where)
    found: Counter[str] = Counter()
    newest: list[tuple[str, int, int, DeadLetter]] = []
    for letter in letters(settings, name, waiting):
        found[faults.kind(letter.reason)] += 1
        heapq.heappush(newest, (letter.time, letter.partition, letter.offset, letter))
        if len(newest) > limit:
            heapq.heappop(newest)
    return Overview(
        waiting=found.total(),
        retried=waiting.retried,
        reasons=dict(found.most_common()),
        newest=[each[-1] for each in sorted(newest, reverse=True)],
    )


class Places(set[tuple[int, int]]):
    """Partition and offset of letters that wait, and how many others were put back."""

    retried = 0


def places(settings: Settings, name: str, where: Wanted) -> Places:
    """The letters that wait, of those that are wanted."""
    found, marked = Places(), set()
    for message in _read(settings, name):
        offset = _headers(message).get(RETRIED)
        if offset is not None:
            marked.add((partition_of(message), int(offset)))
        elif where(_letter(message)):
            found.add((partition_of(message), offset_of(message)))
    found.retried = len(found & marked)
    found -= marked
    return found


def letters(settings: Settings, name: str, those: Places) -> Iterator[DeadLetter]:
    """The letters at ``those`` places, each partition's in order."""
    for message in _read(settings, name) if those else ():
        if (partition_of(message), offset_of(message)) in those:
            yield _letter(message)


def find(settings: Settings, name: str, partition: int, offset: int) -> DeadLetter:
    """One letter. Raises SentinelError if none stands there."""
    starts, ends = _bounds(settings, name)
    if starts.get(partition, 0) <= offset < ends.get(partition, 0):
        only = Bounds({partition: offset}, {partition: offset + 1})
        for message in _between(settings, name, only):
            if RETRIED not in _headers(message):
                return _letter(message)
    raise SentinelError(
        f"No dead letter stands at {partition}:{offset} of {settings.topic(name)}: "
        "`sentinel dlq list` shows which there are."
    )


def _read(settings: Settings, name: str) -> Iterator[Message]:
    """Every record up to the end that each partition has now.

    A reader of committed records ends where a transaction is still open, and a marker may stand
    behind that: so the end is the true one, and an open transaction is waited for.
    """
    return _between(settings, name, _bounds(settings, name))


def _between(settings: Settings, name: str, bounds: Bounds) -> Iterator[Message]:
    with stored.reader(settings, "dlq") as consumer:
        for run in stored.runs(settings, consumer, settings.topic(name), bounds):
            yield from run


def _bounds(settings: Settings, name: str) -> Bounds:
    """First and next offset of every partition, whatever transaction is open."""
    full, count = settings.topic(name), topics.partitions(settings, name)
    with stored.reader(settings, "dlq", **{"isolation.level": "read_uncommitted"}) as consumer:
        try:
            found = [
                consumer.get_watermark_offsets(
                    TopicPartition(full, p), timeout=stored.ANSWER_WITHIN, cached=False
                )
                for p in range(count)
            ]
        except KafkaException as error:
            raise KafkaUnreachable(f"Kafka does not say what {full} holds: {error.args[0].str()}.") from error
    starts, ends = ({p: each[at] for p, each in enumerate(found)} for at in (0, 1))
    return Bounds(starts, ends)


def _letter(message: Message) -> DeadLetter:
    headers = _headers(message)
    topic, left = headers.get("source.topic"), headers.get(poison.LEFT_BYTES)
    source = Source(topic, int(headers["source.partition"]), int(headers["source.offset"])) if topic else None
    return DeadLetter(
        partition=partition_of(message),
        offset=offset_of(message),
        time=rfc3339(arrived_ms(message) * 1_000),
        reason=headers.get("error", "no reason was given"),
        source=source,
        key=message.key(),
        value=message.value(),
        left=int(left) if left else None,
    )


def _headers(message: Message) -> dict[str, str]:
    pairs: Any = message.headers() or []  # whatever the library's types say, texts are bytes or None
    return {name: (text or b"").decode(errors="replace") for name, text in pairs}
