"""Figures as a person reads them."""

from __future__ import annotations

import math

from imgfw.contract.wording import as_rate, counted, in_units, rounded_rate, whole_or_short


def test_a_count_has_its_noun_in_number():
    assert [counted(count, "step") for count in (0, 1, 1500)] == ["0 steps", "1 step", "1,500 steps"]
    assert counted(2, "loss") == "2 losses"


def test_sizes_are_in_the_unit_that_fits():
    sizes = [3, 1536, 1000 * 2**20, 2**30, 2.5 * 2**40, 5000 * 2**40]
    shown = ["3 B", "1.5 KiB", "1,000 MiB", "1 GiB", "2.5 TiB", "5,000 TiB"]
    assert [in_units(size) for size in sizes] == shown


def test_whole_numbers_keep_their_digits():
    numbers = [1_000_001, 1e6, 0.5, 64, 2**63]
    shown = ["1000001", "1000000", "0.5", "64", str(2**63)]
    assert [whole_or_short(number) for number in numbers] == shown


def test_a_slow_rate_keeps_what_it_says():
    assert [as_rate(rate) for rate in (2183.4, 31.26, 2.345, 0.03123)] == ["2,183", "31.3", "2.35", "0.0312"]
    rates = [2183.44, 31.2345, 0.0312345, 0.0]
    assert [rounded_rate(rate) for rate in rates] == [2183.4, 31.23, 0.03123, 0.0]
    assert rounded_rate(math.inf) == math.inf
