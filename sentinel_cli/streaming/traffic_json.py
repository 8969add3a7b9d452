"""Synthetic traffic as the records of `transactions` and `labels`.

Purpose: the one place that says how a planned transaction becomes JSON, and that its truth goes
into the label alone.

Design: both records of a transaction are written from the same columns, compiled. Every transaction
has a label, honest or not: "no label yet" and "honest" then cannot be confused. `labelled_at` is
the transaction's own time, since the generator knows at once.

Not here: Kafka (`producing`), what the traffic is (`datasets.traffic`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from datasets.traffic import HONEST, SCENARIO_NAMES, Traffic, TransactionRows, World
from datasets.traffic.calibration import PRODUCTS, counts
from datasets.traffic.merchants import CODES
from datasets.traffic.places import COUNTRIES, CURRENCIES, CURRENCY
from sentinel_cli.engine.jsonrows import DECIMAL, DIGITS, HEX, TEXT, TIME, Field, Writer


class Records(NamedTuple):
    """One entry a transaction in each: its key on Kafka, its record, its label."""

    keys: list[bytes]
    transactions: list[bytes]
    labels: list[bytes]


class TrafficWriter:
    """Writes the records of one stream of traffic."""

    def __init__(self, traffic: Traffic) -> None:
        self._world, tag = traffic.world, traffic.plan.tag
        self._keys = [b"user_%06d" % (user + 1) for user in range(len(self._world.users))]
        identity = (
            Field(f'{{"transaction_id":"T{tag}', DIGITS, 9),
            Field('","user_id":"user_', DIGITS, 6),
        )
        self._transaction = Writer(
            (
                *identity,
                Field('","timestamp":"', TIME),
                Field('","amount":', DECIMAL),
                Field(',"currency":"', TEXT, texts=CURRENCIES),
                Field('","merchant_id":"m_', TEXT, texts=_merchants(self._world)),
                Field('","card_network":"', TEXT, texts=_cards()),
                Field('","country":"', TEXT, texts=COUNTRIES),
                Field('","device_id":"d_', HEX, 12),
                Field('","device_type":"', TEXT, texts=counts("device_type")[0]),
                Field('","email_domain":"', TEXT, texts=counts("email_domain")[0]),
            ),
            '"}',
        )
        self._label = Writer(
            (
                *identity,
                Field('","is_fraud":', TEXT, texts=("false", "true")),
                Field(',"scenario":"', TEXT, texts=("", *SCENARIO_NAMES)),
                Field('","episode_id":"', TEXT, texts=("", f"E{tag}")),
                Field("", DIGITS, 6),
                Field('","labelled_at":"', TIME),
            ),
            '"}',
        )

    def write(self, first: int, rows: TransactionRows) -> Records:
        """The records of ``rows``; ``first`` is the index of the first of them in the stream."""
        users = self._world.users
        index = np.arange(first + 1, first + 1 + len(rows))
        user, time = rows["user"].astype(np.int64), rows["time"]
        fraud = rows["scenario"] != HONEST
        transactions = self._transaction.write(
            (
                index,
                user + 1,
                time,
                rows["amount"],
                CURRENCY[users.home[user]],
                rows["merchant"],
                users.network[user] * len(counts("card_type")[0]) + users.card_type[user],
                rows["country"],
                rows["device"].view(np.int64),
                rows["device_type"],
                users.email[user],
            )
        )
        labels = self._label.write(
            (index, user + 1, fraud, rows["scenario"].astype(np.int64) + 1, fraud, rows["episode"], time)
        )
        keys = [self._keys[number] for number in user.tolist()]
        return Records(keys, transactions.split(), labels.split())


# Columns that depend on each other are written as one text: fewer fields take less time.


def _merchants(world: World) -> list[str]:
    columns = zip(world.merchants.category.tolist(), world.merchants.product.tolist(), strict=True)
    return [
        f'{number:05d}","merchant_category":"{CODES[category]}","product_code":"{PRODUCTS[product]}'
        for number, (category, product) in enumerate(columns, 1)
    ]


def _cards() -> list[str]:
    networks, kinds = counts("card_network")[0], counts("card_type")[0]
    return [f'{network}","card_type":"{kind}' for network in networks for kind in kinds]
