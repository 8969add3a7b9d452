"""The files of the IEEE-CIS Fraud Detection competition: their columns in order, and what they are.

Purpose: the schema that importing, describing and synthesizing share.

Source: the competition's data description (Vesta Corporation, Kaggle 2019). Masked columns have no
published meaning beyond their group's. The training file joined with its identities has 434 columns.

Not here: what a column means to the pipeline (`mappings/ieee_cis.toml`), any value of any row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ID = "TransactionID"
LABEL = "isFraud"
TIME = "TransactionDT"
AMOUNT = "TransactionAmt"


class Group(NamedTuple):
    """Columns that belong together, and what they hold."""

    name: str
    columns: tuple[str, ...]
    meaning: str


def _numbered(prefix: str, last: int, digits: int = 1) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:0{digits}d}" for number in range(1, last + 1))


KEY = Group(
    "transaction", (ID, LABEL, TIME, AMOUNT, "ProductCD"), "what was bought, when, and whether it was fraud"
)
TRANSACTION_GROUPS = (
    KEY,
    Group("card", _numbered("card", 6), "the payment card: number, issuer, network, type (hashed)"),
    Group("address", ("addr1", "addr2"), "billing region and country"),
    Group("distance", ("dist1", "dist2"), "between addresses"),
    Group("email", ("P_emaildomain", "R_emaildomain"), "domains of purchaser and recipient"),
    Group("C", _numbered("C", 14), "counts, such as addresses found with the card"),
    Group("D", _numbered("D", 15), "days between events; D1 since the account's first day"),
    Group("M", _numbered("M", 9), "whether names, addresses and so on match"),
    Group("V", _numbered("V", 339), "features that Vesta engineered"),
)
IDENTITY_GROUPS = (
    Group("identity", _numbered("id_", 38, 2), "network, browser and system behind the transaction"),
    Group("device", ("DeviceType", "DeviceInfo"), "the device"),
)
GROUPS = TRANSACTION_GROUPS + IDENTITY_GROUPS

TRANSACTION_COLUMNS = tuple(column for group in TRANSACTION_GROUPS for column in group.columns)
IDENTITY_COLUMNS = (ID, *(column for group in IDENTITY_GROUPS for column in group.columns))
COLUMNS = TRANSACTION_COLUMNS + IDENTITY_COLUMNS[1:]

TEXT = frozenset(
    {
        *("ProductCD", "card4", "card6", "P_emaildomain", "R_emaildomain", "DeviceType", "DeviceInfo"),
        *_numbered("M", 9),
        *(f"id_{number}" for number in (12, 15, 16, 23, 27, 28, 29, 30, 31, 33, 34, 35, 36, 37, 38)),
    }
)
NUMBERS = frozenset(COLUMNS) - TEXT


def canonical(name: str) -> str:
    """A column's name as the training files write it: the test files have `id-01` for `id_01`."""
    return name.replace("-", "_") if name.startswith("id-") else name


def missing(names: Iterable[str]) -> dict[str, list[str]]:
    """The columns that are not among ``names``, by group; groups that are whole do not appear."""
    there = set(names)
    lacking = {group.name: [c for c in group.columns if c not in there] for group in GROUPS}
    return {name: columns for name, columns in lacking.items() if columns}
