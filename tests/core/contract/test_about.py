"""Facts about a provider can be read without building it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from imgfw import About, about
from imgfw.contract.about import facts_about
from torch import nn


def test_stated_facts_are_read_back() -> None:
    @about(tasks=("segmentation",), min_size=32)
    def unet() -> None: ...

    assert facts_about(unet) == About(tasks=("segmentation",), min_size=32)


def test_a_provider_that_states_nothing_has_empty_facts() -> None:
    assert facts_about(lambda: None) == About()
    assert facts_about(len) == About()


def test_a_subclass_does_not_inherit_the_facts_of_its_base() -> None:
    @about(couples_batch=True)
    class Base: ...

    class Derived(Base): ...

    assert not facts_about(Derived).couples_batch


def test_the_smallest_size_is_a_number_or_a_function_of_the_settings() -> None:
    settings = SimpleNamespace(patch=14)
    assert About(min_size=32).min_size_with(settings) == 32
    assert About(min_size=lambda settings: 2 * settings.patch).min_size_with(settings) == 28
    assert About().min_size_with(settings) is None


def test_the_head_is_known_or_found_in_the_model() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    assert About(head=("fc.",)).head_of(model) == ("fc.",)
    assert About(head=lambda model: (f"{len(model) - 1}.",)).head_of(model) == ("1.",)


def test_a_fact_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TypeError, match="minimum_size"):
        about(minimum_size=32)
