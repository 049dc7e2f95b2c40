"""A part of the damaged images, in every test run."""

from __future__ import annotations

import pytest
from imgfw import BadSampleError

from . import fuzzed_images
from .fuzzed_images import fuzz_images
from .trials import problems_of


def test_damaged_images_are_read_as_uint8_or_refused_by_name():
    trials = fuzz_images(150, seed=1)
    assert problems_of(trials) == []
    assert {trial.figure for trial in trials} == {"read", "refused"}
    assert len(trials) == 300


@pytest.mark.parametrize("wrong", [KeyError("k"), BadSampleError("another.png", "is empty")])
def test_a_read_that_fails_in_any_other_way_is_found(monkeypatch, wrong):
    def fail(*arguments):
        raise wrong

    monkeypatch.setattr(fuzzed_images, "read_image", fail)
    assert len(problems_of(fuzz_images(4, seed=1))) == 4
