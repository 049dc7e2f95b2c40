"""Random numbers are a function of (seed, epoch, sample index), and behave like random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from imgfw import Keys
from imgfw.contract.random import mix


def keys(count: int, seed: int = 0, epoch: int = 0) -> Keys:
    return Keys.of_samples(seed, epoch, range(count))


def test_a_sample_draws_the_same_numbers_in_any_batch() -> None:
    whole = keys(100).uniform(count=3)
    part = Keys.of_samples(0, 0, [42, 7]).uniform(count=3)
    assert torch.equal(part, whole[[42, 7]])


def test_drawing_is_repeatable() -> None:
    assert torch.equal(keys(50, seed=3, epoch=2).uniform(), keys(50, seed=3, epoch=2).uniform())


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_another_seed_or_epoch_draws_other_numbers(other: dict[str, int]) -> None:
    assert (keys(1000).bits() != keys(1000, **other).bits()).all()


def test_seed_and_epoch_are_not_interchangeable() -> None:
    assert (keys(1000, seed=1, epoch=2).bits() != keys(1000, seed=2, epoch=1).bits()).all()


def test_each_call_draws_new_numbers() -> None:
    drawing = keys(1000)
    assert (drawing.bits() != drawing.bits()).all()


def test_the_number_of_columns_of_one_call_does_not_change_the_next() -> None:
    one, many = keys(10), keys(10)
    one.uniform(count=1)
    many.uniform(count=9)
    assert torch.equal(one.uniform(), many.uniform())


def test_folded_keys_are_independent_of_each_other_and_of_their_origin() -> None:
    origin = keys(20_000)
    draws = [origin.uniform(), origin.fold(0).uniform(), origin.fold(1).uniform()]
    correlations = np.corrcoef(torch.stack(draws).numpy())
    assert np.abs(correlations - np.eye(3)).max() < 0.03


def test_folding_does_not_depend_on_what_was_drawn_before() -> None:
    fresh, used = keys(10), keys(10)
    used.uniform()
    assert torch.equal(fresh.fold(5).uniform(), used.fold(5).uniform())


def test_keys_of_a_million_samples_are_distinct() -> None:
    assert len(np.unique(keys(1_000_000).bits())) == 1_000_000


def test_uniform_numbers_fill_the_interval_evenly() -> None:
    drawn = keys(100_000).uniform(-2.0, 3.0)
    assert drawn.dtype == torch.float32
    counts = torch.histc(drawn, bins=20, min=-2.0, max=3.0)
    assert drawn.min() >= -2.0
    assert drawn.max() < 3.0
    assert ((counts - 5000) / 5000).abs().max() < 0.06


def test_neighbouring_samples_and_columns_are_uncorrelated() -> None:
    drawn = keys(50_000).uniform(count=2)
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.02


def test_the_upper_end_of_an_interval_is_never_drawn() -> None:
    """2 - 2**-24 is no float32 and would be rounded to 2."""

    class AllOnes(Keys):
        def bits(self, count: int | None = None) -> np.ndarray:
            return np.full(1, 2**64 - 1, dtype=np.uint64)

    assert AllOnes(np.zeros(1, dtype=np.uint64)).uniform(1.0, 2.0).item() < 2.0


def test_integers_are_even_over_their_range() -> None:
    drawn = keys(70_000).integers(7)
    assert drawn.dtype == torch.int64
    assert ((torch.bincount(drawn, minlength=7) - 10_000).abs() < 500).all()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_bernoulli_has_the_probability_asked_for(probability: float) -> None:
    drawn = keys(50_000).bernoulli(probability)
    assert drawn.dtype == torch.bool
    assert drawn.float().mean().item() == pytest.approx(probability, abs=0.01)


def test_shapes_follow_the_batch_and_the_count() -> None:
    drawing = keys(5)
    assert len(drawing) == 5
    assert drawing.uniform().shape == (5,)
    assert drawing.uniform(count=1).shape == (5, 1)
    assert drawing.integers(9, count=4).shape == (5, 4)


def test_numbers_are_the_same_on_every_machine_and_in_every_version() -> None:
    """Frozen values: a change here would change every recipe's augmentation."""
    assert mix(1, 2, 3) == 15020427595393229491
    assert keys(2, seed=1, epoch=2).bits().tolist() == [11166480973011191685, 10526633193534886663]


def test_mix_tells_order_and_length_apart() -> None:
    assert len({mix(1, 2), mix(2, 1), mix(1), mix(1, 2, 0), mix(0, 1, 2)}) == 5


def test_mix_takes_any_integer() -> None:
    assert 0 <= mix(-1, 2**80) < 2**64
