"""The regression: what it finds when the truth is known, and that no weight is negative."""

from __future__ import annotations

import numpy as np
import pytest

from sentinel_cli.fitting import logistic


def test_it_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (60_000, 3)).astype(np.float32)
    fraud = rng.random(len(x)) < 1 / (1 + np.exp(-(-3 + x @ [0.8, 0.0, 0.4])))
    found = logistic.fit(x, fraud, penalty=1e-6)
    assert found.bias == pytest.approx(-3, abs=0.1)
    assert found.of == pytest.approx([0.8, 0.0, 0.4], abs=0.06)


def test_what_would_count_against_its_evidence_drops_out() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (20_000, 2)).astype(np.float32)
    fraud = rng.random(len(x)) < 1 / (1 + np.exp(-(-2 + x @ [1.0, -0.5])))
    found = logistic.fit(x, fraud)
    assert found.of[1] == 0
    assert found.of[0] > 0.8


def test_twins_share_their_weight() -> None:
    rng = np.random.default_rng(3)
    one = rng.normal(0, 1, (20_000, 1)).astype(np.float32)
    fraud = rng.random(len(one)) < 1 / (1 + np.exp(-(-2 + one[:, 0])))
    found = logistic.fit(np.repeat(one, 2, axis=1), fraud)
    assert found.of[0] == pytest.approx(found.of[1], abs=0.05)
    assert found.of.sum() == pytest.approx(1, abs=0.1)
