"""`sentinel fit` from file to scorecard: better than unfitted, the same twice, nothing looks ahead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets import synthesis
from datasets.events import Reading
from sentinel_cli.app import main
from sentinel_cli.backtesting import file, ranking
from sentinel_cli.backtesting.decisions import decide
from sentinel_cli.engine import scorecard
from sentinel_cli.fitting import judging, learning, sample

Captured = pytest.CaptureFixture[str]
ROWS = 40_000
UNFITTED = """
name = "unfitted"
bias = -3.0
small_amount = 10
[population]
amount_mean = 100
log_amount_mean = 4
log_amount_sd = 1
transactions_per_day = 1
weight = 5
hour_shares = [{shares}]
[[factor]]
feature = "amount_vs_avg_ratio"
cuts = [3]
points = [0, 1]
[[factor]]
feature = "count_5m"
cuts = [3]
points = [0, 1]
""".format(shares=", ".join(["0.04"] * 24))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitting") / "synthetic.parquet"
    synthesis.run(ROWS, path, seed=5)
    return path


def run(capsys: Captured, *arguments: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def fit(capsys: Captured, data: Path, output: Path, *options: object) -> dict[str, Any]:
    return dict(json.loads(run(capsys, "fit", data, "--output", output, *options, "--json")[0]))


def altered(data: Path, out: Path, **columns: object) -> Path:
    """The file with these columns instead, or beside, or (None) without them."""
    table = parquet.read_table(data)
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        if values is not None:
            table = table.append_column(name, pa.array(values))
    parquet.write_table(table, out)
    return out


def test_fitted_beats_unfitted_on_what_came_after(capsys: Captured, data: Path, tmp_path: Path) -> None:
    unfitted = tmp_path / "unfitted.toml"
    unfitted.write_text(UNFITTED)
    known = sample.read(data, Reading())
    fitted = learning.learn(known, "fitted", 0.3).card
    good, bad = (judging.judge(known, card, 0.3) for card in (fitted, scorecard.load(unfitted)))
    assert (good.auc or 0) > (bad.auc or 1) + 0.05
    assert (good.average_precision or 0) > 1.3 * (bad.average_precision or 1)


def test_what_is_reported_is_what_a_backtest_finds(capsys: Captured, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.toml"
    report = fit(capsys, data, out, "--features", "C*,D1*")
    card = scorecard.load(out)
    assert any(name.startswith("C") for name in card.record_features)
    assert card.version == report["version"]
    transactions = file.read(data, None, None, card.record_features)
    decisions = decide(transactions, card, report["held_out"]["fitted"]["threshold"])
    last = np.arange(len(transactions)) >= 0.8 * ROWS
    fraud = transactions.truth.label[last] == 1
    auc = ranking.auc(ranking.curve(decisions.score[last], fraud))
    assert round(auc or 0, 6) == report["held_out"]["fitted"]["auc"]
    assert report["learnt_from"]["transactions"] == round(0.7 * ROWS)
    assert report["judged_on"]["transactions"] == round(0.2 * ROWS)


def test_the_files_columns_help(capsys: Captured, data: Path, tmp_path: Path) -> None:
    without = fit(capsys, data, tmp_path / "a.toml")
    beside = fit(capsys, data, tmp_path / "b.toml", "--features", "C*,V1*")
    assert beside["held_out"]["fitted"]["auc"] > without["held_out"]["fitted"]["auc"]
    assert not any(f["feature"].startswith("features.") for f in without["factors"])


def test_the_same_file_gives_the_same_scorecard(capsys: Captured, data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit(capsys, data, tmp_path / f"{name}.toml", "--features", "C*,D*")
    assert (tmp_path / "a.toml").read_bytes() == (tmp_path / "b.toml").read_bytes()


def test_nothing_is_learnt_from_the_last_part(capsys: Captured, data: Path, tmp_path: Path) -> None:
    """Other labels, amounts and columns there leave the scorecard as it is."""
    table = parquet.read_table(data)
    last = np.arange(ROWS) >= 0.8 * ROWS
    label, amount, c1 = (table[name].to_numpy() for name in ("isFraud", "TransactionAmt", "C1"))
    other = altered(
        data,
        tmp_path / "other.parquet",
        isFraud=np.where(last, 1 - label, label).astype(np.int8),
        TransactionAmt=np.where(last, 77.0, amount),
        C1=np.where(last, 5, c1),
    )
    mine, theirs = (fit(capsys, path, tmp_path / "c.toml", "--features", "C*") for path in (data, other))
    assert mine["factors"] == theirs["factors"]


def test_columns_that_say_nothing_fade_or_repeat_are_left_out(
    capsys: Captured, data: Path, tmp_path: Path
) -> None:
    fraud = parquet.read_table(data)["isFraud"].to_numpy()
    rng = np.random.default_rng(1)
    telling = rng.normal(0, 1, ROWS) + fraud
    fading = np.where(np.arange(ROWS) < ROWS / 2, telling, rng.normal(0, 1, ROWS) - fraud)
    path = altered(
        data,
        tmp_path / "more.parquet",
        X_telling=telling,
        X_twin=telling * 2 + 1,
        X_noise=rng.random(ROWS),
        X_fading=fading,
        X_empty=np.full(ROWS, np.nan),
        X_text=["a", "b"] * (ROWS // 2),
        X_gaps=np.where(rng.random(ROWS) < 0.7, np.nan, telling),
        X_infinite=np.where(telling > 2, np.inf, telling),
    )
    out, err = run(
        capsys, "fit", path, "--output", tmp_path / "x.toml", "--features", "X_*,Transaction*", "--json"
    )
    report = json.loads(out)
    factors, left_out = {f["feature"] for f in report["factors"]}, report["left_out"]
    assert "features.X_telling" in factors or "features.X_twin" in factors
    assert {"says what features.X_telling says", "says what features.X_twin says"} & set(left_out.values())
    assert left_out["features.X_noise"] == "tells nothing"
    assert left_out["features.X_empty"] == "has no values"
    assert left_out["features.X_fading"] == "what it told did not last"
    assert "X_text" in err
    assert not {"features.TransactionDT", "features.TransactionAmt"} & {*factors, *left_out}


def test_the_file_is_a_readable_scorecard(capsys: Captured, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.toml"
    report = fit(capsys, data, out, "--features", "C*")
    text = out.read_text()
    assert text.startswith(
        "# Made by `sentinel fit synthetic.parquet --features 'C*'`.\n# Learnt from 28,000"
    )
    assert " fraud\n" in text
    card = scorecard.load(out)
    assert [f.feature for f in card.factors] == [f["feature"] for f in report["factors"]] + ["active_block"]
    for factor in card.factors:
        assert len(factor.points) <= 6
        assert all(p == round(p, 2) for p in (*factor.points, factor.missing))
    mean = parquet.read_table(data)["TransactionAmt"].to_numpy()[4_000:32_000].mean()
    assert f"amount_mean = {mean:.4g}" in text


def test_a_small_file_is_enough(capsys: Captured, tmp_path: Path) -> None:
    synthesis.run(2_000, tmp_path / "small.parquet", seed=2)
    report = fit(capsys, tmp_path / "small.parquet", tmp_path / "card.toml")
    assert report["factors"]


def test_tables_are_for_people(capsys: Captured, data: Path, tmp_path: Path) -> None:
    out, err = run(capsys, "fit", data, "--output", tmp_path / "card.toml")
    assert "On what came after" in out
    assert f"sentinel backtest {data} --scorecard {tmp_path / 'card.toml'}" in out
    assert "\x1b" not in out
    assert not err


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"isFraud": None}, [], "has 0 labelled frauds in the part to learn from"),
        ({"isFraud": [0] * ROWS}, [], "has 0 labelled frauds in the part to learn from"),
        ({"isFraud": ["yes"] * ROWS}, [], "labels are 0 and 1"),
        ({"TransactionAmt": None}, [], "TransactionAmt"),
        ({}, ["--features", "Q*"], "has no column Q* to make a feature of"),
        ({}, ["--entity", "who"], "has no column who to make a user's id of"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_sentence(
    columns: dict[str, Any], options: list[str], said: str, capsys: Captured, data: Path, tmp_path: Path
) -> None:
    path = altered(data, tmp_path / "broken.parquet", **columns)
    out, err = run(capsys, "fit", path, "--output", tmp_path / "card.toml", *options, code=1)
    assert not out
    assert err.startswith("sentinel: ")
    assert err.count("\n") == 1
    assert said in err
    assert [each.name for each in tmp_path.iterdir()] == ["broken.parquet"]


def test_a_folder_that_is_not_there_is_refused_before_the_work(
    capsys: Captured, data: Path, tmp_path: Path
) -> None:
    err = run(capsys, "fit", data, "--output", tmp_path / "no" / "card.toml", code=1)[1]
    assert "there is no folder" in err


def test_labels_that_nothing_tells_are_refused(capsys: Captured, data: Path, tmp_path: Path) -> None:
    luck = (np.random.default_rng(8).random(ROWS) < 0.03).astype(np.int8)
    path = altered(data, tmp_path / "luck.parquet", isFraud=luck)
    err = run(capsys, "fit", path, "--output", tmp_path / "card.toml", code=1)[1]
    assert "No column tells fraud" in err
    assert not (tmp_path / "card.toml").exists()
