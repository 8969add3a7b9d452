"""Bands: few, readable, in order, and each with the evidence that its transactions give."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.fitting import binning
from sentinel_cli.fitting.binning import Floats

ROWS = 40_000


def drawn(values: Floats, chance: Floats, seed: int = 1) -> tuple[Floats, Floats, Floats]:
    """Cut points, weight of evidence, and fraud rate by band, the missing one first."""
    fraud = np.random.default_rng(seed).random(len(values)) < chance
    cuts = binning.cuts_of(values, fraud)
    codes = binning.code(values, cuts)
    every = np.bincount(codes, minlength=len(cuts) + 2).astype(np.float64)
    stolen = np.bincount(codes[fraud], minlength=len(cuts) + 2).astype(np.float64)
    return cuts, binning.evidence(every, stolen), stolen / np.maximum(every, 1)


def test_a_rising_risk_has_few_bands_that_rise() -> None:
    values = np.random.default_rng(2).exponential(100, ROWS)
    chance = np.select([values > 200, values > 50], [0.37, 0.07], 0.02)
    cuts, evidence, _ = drawn(values, chance)
    assert 2 <= len(cuts) < binning.MOST_BANDS
    assert (np.diff(evidence[1:]) > 0).all()
    assert min(abs(cuts - 200)) < 20
    assert all(len(f"{cut:g}") <= 4 for cut in cuts)


def test_a_risk_at_both_ends_turns_once_unless_it_may_not() -> None:
    values = np.random.default_rng(3).normal(0, 1, ROWS)
    _, evidence, _ = drawn(values, np.where(np.abs(values) > 1.5, 0.22, 0.02))
    turns = np.diff(np.sign(np.diff(evidence[1:])))
    assert np.count_nonzero(turns) == 1
    fraud = np.random.default_rng(4).random(ROWS) < 0.02 + 0.2 * (np.abs(values) > 1.5)
    straight = binning.cuts_of(values, fraud, may_turn=False)
    band = np.searchsorted(straight, values, side="right")
    rates = [fraud[band == at].mean() for at in range(len(straight) + 1)]
    assert rates in (sorted(rates), sorted(rates, reverse=True))


def test_a_rare_tail_that_is_all_fraud_has_a_band_of_its_own() -> None:
    values = np.random.default_rng(5).random(ROWS)
    cuts, evidence, rates = drawn(values, np.where(values > 0.995, 0.95, 0.02))
    assert cuts[-1] == pytest.approx(0.995, abs=0.003)
    assert rates[-1] > 0.5
    assert evidence[-1] > 3


def test_missing_values_have_their_own_evidence_and_noise_has_none() -> None:
    values = np.random.default_rng(6).random(ROWS)
    values[: ROWS // 10] = np.nan
    cuts, evidence, _ = drawn(values, np.where(np.isnan(values), 0.2, 0.02))
    assert evidence[0] > 1.5
    assert len(cuts) <= 1
    assert not len(drawn(np.random.default_rng(7).random(ROWS), np.full(ROWS, 0.03))[0])


def test_a_band_of_few_is_drawn_towards_nothing() -> None:
    small, large = (binning.evidence(np.array([n, 1e5]), np.array([n, 3e3])) for n in (2.0, 2_000.0))
    assert 0 < small[0] < 1.2
    assert large[0] > 5


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=200), st.integers(0, 9))
def test_cuts_ascend_and_code_as_the_scorecard_does(values: list[float], seed: int) -> None:
    known = np.array(values)
    fraud = np.random.default_rng(seed).random(len(known)) < 0.5
    cuts = binning.cuts_of(known, fraud)
    assert all(a < b for a, b in pairwise(cuts.tolist()))
    assert (binning.code(known, cuts) == [1 + int((cuts <= value).sum()) for value in values]).all()
    assert binning.code(np.array([np.nan]), cuts)[0] == 0


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e6))
def test_a_shortened_cut_stays_between_its_neighbours(below: float, gap: float) -> None:
    value = below + gap
    if value > below:
        short = binning._rounded(value, below)
        assert below < short <= value
