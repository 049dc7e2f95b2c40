"""Facts about a provider can be read without building it."""

from __future__ import annotations

import pytest
from imgfw import About, about
from imgfw.contract.about import facts_about


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


def test_a_fact_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TypeError, match="minimum_size"):
        about(minimum_size=32)
