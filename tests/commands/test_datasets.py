"""The commands that read files, as a shell sees them: data on stdout, one sentence on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from datasets import synthesis
from sentinel_cli.app import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commands") / "synthetic.parquet"
    synthesis.run(2_000, path, seed=1)
    return path


def run(capsys: Captured, *arguments: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def document(capsys: Captured, *arguments: object) -> dict[str, Any]:
    return dict(json.loads(run(capsys, *arguments, "--json")[0]))


def test_synthesize_then_describe_then_analyze(capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    assert document(capsys, "datasets", "synthesize", 500, out, "--seed", 3)["rows"] == 500
    assert parquet.read_metadata(out).num_columns == 434
    described = document(capsys, "datasets", "describe", out)
    assert (described["rows"], described["columns"], described["costs"]) == (500, 434, [])
    assert described["first_time"].endswith("Z")
    analyzed = document(capsys, "analyze", out)
    assert analyzed["transactions"] == 500
    assert analyzed["fraud_rate"] == described["fraud_rate"]


def test_import(capsys: Captured, tmp_path: Path) -> None:
    source, out = tmp_path / "train_transaction.csv", tmp_path / "out.parquet"
    source.write_text("TransactionID,isFraud,TransactionDT,TransactionAmt,card1,own\n1,0,86400,5.5,7,x\n")
    told = document(capsys, "datasets", "import", source, out)
    assert (told["rows"], told["unknown"], told["identity"]) == (1, ["own"], None)
    said, warned = run(capsys, "datasets", "import", source, out)
    assert said.startswith("Wrote 1 transactions, without identities, 6 columns")
    assert "Kept, though not known: own." in warned
    assert "Missing of card: card2" in warned


def test_tables_are_for_people(capsys: Captured, file: Path) -> None:
    for command in (["datasets", "describe"], ["analyze"]):
        out, err = run(capsys, *command, file)
        assert "2,000" in out
        assert "\x1b" not in out
        assert not err


def test_analyze_also_writes_its_document(capsys: Captured, file: Path, tmp_path: Path) -> None:
    out, _ = run(capsys, "analyze", file, "--output", tmp_path / "a.json", "--json")
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(out)


@pytest.mark.parametrize(
    "command", [["analyze"], ["datasets", "describe"], ["replay"], ["datasets", "import"]], ids=" ".join
)
@pytest.mark.parametrize("broken", ["absent", "empty", "half", "text"])
def test_a_broken_file_is_one_sentence(
    command: list[str], broken: str, capsys: Captured, file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "broken.parquet"
    contents = {"empty": b"", "half": file.read_bytes()[:50_000], "text": b"no columns\nat all\n"}
    if broken in contents:
        path.write_bytes(contents[broken])
    left = set(tmp_path.iterdir())
    more = [tmp_path / "out.parquet"] if command[-1] == "import" else []
    out, err = run(capsys, *command, path, *more, code=1)
    assert not out
    assert err.startswith("sentinel: ")
    assert err.count("\n") == 1
    assert set(tmp_path.iterdir()) == left


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label-delay", "soon"], "--label-delay 'soon' is not a duration: write it as 90s"),
        (["--start", "yesterday"], "--start 'yesterday' is not a time"),
        (["--origin", "1.5.2020"], "--origin '1.5.2020' is not a time"),
    ],
)
def test_a_wrong_option_is_a_usage_error(options: list[str], said: str, capsys: Captured, file: Path) -> None:
    assert said in run(capsys, "replay", file, *options, code=2)[1]


def test_a_span_without_transactions_is_refused(capsys: Captured, file: Path) -> None:
    err = run(capsys, "replay", file, "--start", "2099-01-01", code=1)[1]
    assert "lies between --start and --until: they happen from 2017-12-01T00:00:00Z" in err


def test_replay_needs_kafka_and_says_which(capsys: Captured, file: Path) -> None:
    err = run(capsys, "replay", file, "--kafka-servers", "localhost:1", code=3)[1]
    assert "localhost:1" in err


def test_analyze_compares_and_writes_a_page(capsys: Captured, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    synthesis.run(1_000, other, seed=2)
    html = tmp_path / "report.html"
    told = document(capsys, "analyze", file, "--compare", other, "--report", html)
    assert told["other"]["transactions"] == 1_000
    assert {"distribution", "distance", "measure"} <= set(told["comparison"]["distances"][0])
    assert html.read_text().startswith("<!doctype html>")
    out, _ = run(capsys, "analyze", file, "--compare", other)
    assert "How far apart they are" in out
    assert "total variation" in out
