"""Transactions that stand on a topic, and their labels from theirs, read into memory.

Purpose: `sentinel backtest transactions --since 2h`.

Design: a consumer that is assigned by hand, from an offset or a time to where each partition ends now.
It joins no group, commits nothing and knows no Redis: live state cannot notice it. Records are decoded
by the detector's own decoder; its dead letters are left out here too.

Not here: judging (`measuring`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import compute

from datasets.columns import NO_LABEL
from sentinel_cli.backtesting.transactions import Transactions, truth_of
from sentinel_cli.config import Settings
from sentinel_cli.engine.columns import TRANSACTION
from sentinel_cli.errors import InputError
from sentinel_cli.records import Label
from sentinel_cli.streaming import avro, stored, topics
from sentinel_cli.streaming.codec import Decoded, Decoder
from sentinel_cli.streaming.plain_source import arrived_ms

ROLE = "backtest"


class _Id(msgspec.Struct, gc=False):
    transaction_id: str


def read(
    settings: Settings,
    name: str,
    since: int | None,
    record_features: tuple[str, ...],
    advance: Callable[[int], None] = lambda _: None,
) -> Transactions:
    """What Kafka received on topic ``name`` at ``since`` (microseconds since 1970; None: all) or later.

    Raises KafkaUnreachable, and InputError for a topic without transactions.
    """
    topic = settings.topic(name)
    text = avro.reader(settings)
    decoder, id_of = Decoder(record_features), msgspec.json.Decoder(_Id).decode
    parts: list[Decoded] = []
    ids: list[str] = []
    left_out = 0
    for messages in stored.records(settings, topic, ROLE, since):
        values = [message.value() for message in messages]
        if text is not None:
            values, _ = avro.texts(values, text)
        decoded = decoder.decode(values, np.array([arrived_ms(message) for message in messages], np.int64))
        parts.append(decoded)
        ids += [id_of(values[at]).transaction_id for at in decoded.good]  # type: ignore[arg-type]
        left_out += len(decoded.bad)
        advance(len(messages))
    if not ids:
        raise InputError(f"{topic} holds no transactions from that time on: give an earlier --since.")
    labels = _labels(settings, since)
    return _joined(topic, parts, ids, record_features, labels, left_out)


def _joined(
    topic: str,
    parts: list[Decoded],
    ids: list[str],
    record_features: tuple[str, ...],
    labels: dict[str, Label],
    left_out: int,
) -> Transactions:
    user = compute.dictionary_encode(pa.array([each for part in parts for each in part.users], pa.string()))
    slots = user.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.concatenate([part.columns.rows for part in parts] or [np.empty(0, TRANSACTION)])
    extra = np.concatenate([part.columns.extra for part in parts])
    found = [labels.get(each) for each in ids]
    label = np.array([NO_LABEL if each is None else each.is_fraud for each in found], np.int8)
    words = [("", "") if each is None else (each.scenario, each.episode_id) for each in found]
    scenario, episode = (pa.array(column, pa.string()) for column in zip(*words, strict=True))
    notes = []
    if missing := int((label == NO_LABEL).sum()):
        notes.append(f"{missing:,} transactions have no label: they are scored, and count in no rate.")
    if left_out:
        notes.append(f"{left_out:,} records are no transactions, and left out.")
    return Transactions(
        source=topic,
        users=user.dictionary,
        user=slots,
        ids=pa.array(ids, pa.string()),
        rows=rows,
        extra={name: extra[:, k] for k, name in enumerate(record_features)},
        truth=truth_of(label, scenario, episode, slots),
        left_out=left_out,
        notes=notes,
    )


def _labels(settings: Settings, since: int | None) -> dict[str, Label]:
    """By transaction; the latest word counts."""
    decode, text = msgspec.json.Decoder(Label).decode, avro.reader(settings)
    labels: dict[str, Label] = {}
    for messages in stored.records(settings, settings.topic(topics.LABELS), ROLE, since):
        for message in messages:
            # what is no label says nothing about any transaction
            with suppress(msgspec.MsgspecError, avro.Unreadable):
                value = message.value() or b""
                label = decode(text(value) if text else value)
                labels[label.transaction_id] = label
    return labels
