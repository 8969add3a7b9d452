"""`sentinel backtest` as a shell sees it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import compute, parquet

from datasets import synthesis
from sentinel_cli.app import main
from sentinel_cli.engine import scorecard

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backtest") / "file.parquet"
    synthesis.run(6_000, path, seed=3)
    return path


def run(capsys: Captured, *arguments: object, code: int = 0) -> tuple[str, str]:
    """What the command writes to stdout and to stderr."""
    assert main(["backtest", *map(str, arguments)]) == code
    return capsys.readouterr()


def document(capsys: Captured, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(capsys, *arguments, "--json")[0])
    return found


def test_everything_that_was_promised_is_there(file: Path, capsys: Captured) -> None:
    found = document(capsys, file)
    assert found["transactions"] == found["labelled"] == 6_000
    assert found["frauds"] == sum(each["transactions"] for each in found["scenarios"].values()) > 100
    assert 0.6 < found["auc"] < 1
    assert found["recall_at_fpr"].keys() == {"0.01", "0.001"}
    assert found["average_precision"] > 2 * found["frauds"] / found["transactions"]
    assert found["alerts"] == round(found["alerts_a_day"] * found["time"]["days"])
    assert found["precision"] > found["frauds"] / found["transactions"]
    money = found["money"]
    assert money["fraud"] == pytest.approx(money["stopped"] + money["missed"])
    assert found["elapsed_s"] > 0
    assert set(found["scenarios"]) >= {"card_testing", "rapid_fire"}


def test_the_threshold_and_the_scorecard_can_be_others(file: Path, tmp_path: Path, capsys: Captured) -> None:
    text = scorecard.load().text
    other = tmp_path / "other.toml"
    other.write_text(text.replace('name = "default"', 'name = "other"').replace("bias = -", "bias = -1"))
    found = document(capsys, file, "--threshold", 0.9, "--scorecard", other)
    assert (found["scorecard"], found["threshold"]) == ("other", 0.9)
    assert found["alerts"] < document(capsys, file)["alerts"]


def test_another_scorecard_beside_it(file: Path, tmp_path: Path, capsys: Captured) -> None:
    other = tmp_path / "other.toml"
    other.write_text(scorecard.load().text.replace("points = [0.0, 1.7]", "points = [0.0, 3.0]"))
    found = document(capsys, file, "--compare", other)
    comparison = found["comparison"]
    changes = comparison["changes"]
    assert len(changes) == sum(total["alerts"] for total in comparison["totals"].values()) > 0
    gained = {change["alert_id"] for change in changes if change["change"] in ("gained", "declined")}
    assert found["other"]["alerts"] - found["alerts"] == len(gained) - (len(changes) - len(gained))
    assert comparison["balance"] == pytest.approx(
        found["other"]["money"]["balance"] - found["money"]["balance"]
    )
    same = document(capsys, file, "--compare", _default(tmp_path))["comparison"]
    assert (same["balance"], same["costs"], same["changes"]) == (0, 0, [])


def _default(folder: Path) -> Path:
    path = folder / "default.toml"
    path.write_text(scorecard.load().text)
    return path


def test_the_sweep_names_the_threshold_that_brings_most(file: Path, capsys: Captured) -> None:
    found = document(capsys, file, "--sweep")
    points = found["sweep"]["points"]
    assert max(points, key=lambda p: p["balance"])["threshold"] == found["sweep"]["best"]
    alerts = [point["alerts"] for point in points]
    assert alerts == sorted(alerts, reverse=True)
    (now,) = [p for p in points if p["threshold"] == found["threshold"]]
    assert (now["alerts"], now["balance"]) == (found["alerts"], found["money"]["balance"])


class Page(HTMLParser):
    """Counts elements, and holds that nothing is fetched and everything that was opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.seen.append(tag)
        if tag not in {"meta", "rect", "line", "path", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open[-1]:
            self.open.pop()


def test_the_report_stands_alone(file: Path, tmp_path: Path, capsys: Captured) -> None:
    report, other = tmp_path / "report.html", tmp_path / "other.toml"
    other.write_text(scorecard.load().text.replace("points = [0.0, 1.7]", "points = [0.0, 3.0]"))
    run(capsys, file, "--sweep", "--compare", other, "--report", report)
    page = Page()
    text = report.read_text(encoding="utf-8")
    page.feed(text)
    assert page.open == []
    assert page.seen.count("svg") == 3
    for words in ("Other thresholds", "What the other scorecard would change", "Money", "card_testing"):
        assert words in text
    assert "http" not in text
    assert "script" not in page.seen


def test_the_tables_say_it_in_words(file: Path, capsys: Captured) -> None:
    out, _ = run(capsys, file, "--sweep")
    for words in (
        "6,000 transactions",
        "AUC",
        "recall at 0.1% false positives",
        "card_testing",
        "balance",
        "best",
    ):
        assert words in out


def test_a_file_without_labels_is_scored_all_the_same(file: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "unlabelled.parquet"
    table = parquet.read_table(file).drop_columns(["isFraud"]).replace_schema_metadata(None)
    parquet.write_table(table, path)
    found = document(capsys, path)
    assert (found["transactions"], found["labelled"], found["frauds"]) == (6_000, 0, 0)
    assert found["auc"] is found["precision"] is found["recall"] is None
    assert found["alerts"] == document(capsys, file)["alerts"]
    assert any("labels" in note for note in found["notes"])


def test_handbooks_columns_are_enough(tmp_path: Path, capsys: Captured) -> None:
    path, n = tmp_path / "handbook.parquet", 400
    time = compute.add(pa.scalar(0), pa.array(range(n))).cast(pa.int64())
    table = pa.table(
        {
            "TRANSACTION_ID": pa.array(range(n)),
            "TX_DATETIME": pa.array(
                (time.to_numpy() * 3_600_000_000 + 1_522_540_800_000_000), pa.timestamp("us")
            ),
            "CUSTOMER_ID": pa.array([each % 7 for each in range(n)]),
            "TERMINAL_ID": pa.array([each % 11 for each in range(n)]),
            "TX_AMOUNT": pa.array([400.0 if each % 50 == 49 else 20.0 for each in range(n)]),
            "TX_FRAUD": pa.array([int(each % 50 == 49) for each in range(n)]),
            "TX_FRAUD_SCENARIO": pa.array([int(each % 50 == 49) for each in range(n)]),
        }
    )
    parquet.write_table(table, path)
    found = document(capsys, path)
    assert found["frauds"] == 8
    assert found["auc"] > 0.9
    assert found["scenarios"]["1"]["transactions"] == 8


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.parquet"], 1, "missing.parquet"),
        (["FILE", "--since", "2h"], 2, "--since"),
        (["transactions", "--entity", "card1"], 2, "--entity"),
        (["transactions", "--since", "yesterday"], 2, "yesterday"),
        (["FILE", "--compare", "missing.toml"], 1, "missing.toml"),
        (["FILE", "--mapping", "missing.toml"], 1, "missing.toml"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    file: Path, arguments: list[str], code: int, words: str, capsys: Captured
) -> None:
    out, err = run(capsys, *[file if each == "FILE" else each for each in arguments], "--json", code=code)
    assert words in err
    assert err.count("\n") <= 3
    assert out == ""


def test_a_file_without_a_single_transaction(file: Path, tmp_path: Path, capsys: Captured) -> None:
    table = parquet.read_table(file).slice(0, 20).replace_schema_metadata(None)
    at = table.column_names.index("TransactionAmt")
    path = tmp_path / "negative.parquet"
    parquet.write_table(table.set_column(at, "TransactionAmt", pa.array([-1.0] * 20)), path)
    _, err = run(capsys, path, code=1)
    assert "holds no transaction that could be scored" in err
    parquet.write_table(table.slice(0, 0), path)
    _, err = run(capsys, path, code=1)
    assert str(path) in err
