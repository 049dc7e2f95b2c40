"""A wrong name is answered with what it may have been meant to be."""

from __future__ import annotations

import pytest
from imgfw.catalog.suggest import did_you_mean

NAMES = ["random_horizontal_flip", "random_vertical_flip", "resize", "Adam"]


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("resise", 'Did you mean "resize"?'),
        ("flip", 'Did you mean "random_horizontal_flip" or "random_vertical_flip"?'),
        ("RandomVerticalFlip", 'Did you mean "random_vertical_flip"?'),
        ("adam", 'Did you mean "Adam"?'),
        ("ip", ""),
        ("entirely_else", ""),
    ],
)
def test_the_closest_names_are_offered(word: str, answer: str) -> None:
    assert did_you_mean(word, NAMES) == answer
