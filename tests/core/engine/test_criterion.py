"""The loss of a batch, whatever outputs, targets and criterion come together, and however it is cut up."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import NamedTuple

import pytest
import torch
from imgfw import DatasetInfo, MixedTargets, PluginError, Weighted
from imgfw.engine.criterion import Criterion, split_outputs
from imgfw_plugins.losses.cross_entropy import CrossEntropy
from imgfw_plugins.losses.dice import Dice
from imgfw_plugins.losses.own_losses import OwnLosses
from imgfw_plugins.losses.weighted_sum import WeightedSum
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

INFO = DatasetInfo(task="classification", classes=("a", "b", "c"))
PIXELS = DatasetInfo(task="segmentation", classes=("a", "b", "c"))
WEIGHTS = [0.1, 5.0, 1.0]


class Outputs(NamedTuple):
    """What Inception and GoogLeNet return in training."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(*shape, seed=0):
    return torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(seed))


LOGITS, LABELS = noise(9, 3), classes(9)


def weighted_mean(logits, labels):
    """The hand formula of class-weighted cross-entropy."""
    weights = torch.tensor(WEIGHTS)[labels]
    return (weights * cross_entropy(logits, labels, reduction="none")).sum() / weights.sum()


def test_a_tensor_is_the_mean_of_the_samples():
    value = Criterion(torch.nn.CrossEntropyLoss(), {})(LOGITS, LABELS, 9)
    assert value.mean == cross_entropy(LOGITS, LABELS)
    torch.testing.assert_close(value.sum, cross_entropy(LOGITS, LABELS, reduction="sum"))
    assert value.weight == 9
    assert value.parts == {}


def test_a_weighted_loss_is_its_sum_over_its_weight():
    value = Criterion(CrossEntropy(INFO, weight=WEIGHTS), {})(LOGITS, LABELS, 9)
    torch.testing.assert_close(value.mean, weighted_mean(LOGITS, LABELS))
    assert value.weight == pytest.approx(float(torch.tensor(WEIGHTS)[LABELS].sum()))


def test_several_terms_are_summed_and_told_apart():
    terms = {"ce": cross_entropy, "squares": lambda outputs, labels: outputs.square().mean()}
    value = Criterion(
        lambda outputs, labels: {name: term(outputs, labels) for name, term in terms.items()}, {}
    )(LOGITS, LABELS, 9)
    assert {name: float(part) for name, part in value.parts.items()} == {
        name: float(term(LOGITS, LABELS)) for name, term in terms.items()
    }
    torch.testing.assert_close(value.mean, sum(term(LOGITS, LABELS) for term in terms.values()))


def test_a_term_that_weighs_samples_is_reduced_before_it_is_added_to_others():
    def loss(outputs, labels):
        return {"mean": outputs.mean(), "weighted": Weighted(torch.tensor(6.0), torch.tensor(3.0))}

    assert Criterion(loss, {})(LOGITS, LABELS, 9).mean == pytest.approx(float(LOGITS.mean()) + 2)


def test_a_single_term_keeps_its_weight():
    loss = WeightedSum(terms=[CrossEntropy(INFO, weight=WEIGHTS)], weights=[2.0])
    value = Criterion(loss, {})(LOGITS, LABELS, 9)
    torch.testing.assert_close(value.mean, 2 * weighted_mean(LOGITS, LABELS))
    assert value.weight == pytest.approx(float(torch.tensor(WEIGHTS)[LABELS].sum()))


def test_what_a_model_computed_itself_is_summed():
    outputs = {"boxes": torch.tensor(1.5), "classes": torch.tensor(0.25)}
    value = Criterion(OwnLosses(), {})(outputs, [{}, {}], 2)
    assert float(value.mean) == 1.75


@pytest.mark.parametrize("returned", [None, 0.5, {}, [torch.zeros(())]])
def test_a_criterion_that_returns_something_else_is_its_plugins_error(returned):
    with pytest.raises(PluginError, match=r"The loss returned \w+\. A criterion returns"):
        Criterion(lambda outputs, targets: returned, {})(LOGITS, LABELS, 9)


@pytest.mark.parametrize("kind", ["named tuple", "dict"])
def test_auxiliary_outputs_count_with_their_weight(kind):
    first, second = noise(9, 3, seed=1), noise(9, 3, seed=2)
    if kind == "named tuple":
        outputs = Outputs(LOGITS, first, second)
        weights = {"aux_logits2": 0.3, "aux_logits1": 0.2}
    else:
        outputs = OrderedDict(out=LOGITS, aux=first, more=second)
        weights = {"aux": 0.3, "more": 0.2}
    value = Criterion(cross_entropy, weights)(outputs, LABELS, 9)
    parts = [0.3 * cross_entropy(first, LABELS), 0.2 * cross_entropy(second, LABELS)]
    torch.testing.assert_close(value.mean, cross_entropy(LOGITS, LABELS) + sum(parts))
    torch.testing.assert_close(value.parts, dict(zip(weights, parts, strict=True)))


def test_auxiliary_outputs_that_are_absent_or_not_declared_count_for_nothing():
    absent = Outputs(LOGITS, None, noise(9, 3, seed=2))
    value = Criterion(cross_entropy, {"aux_logits2": 0.3})(absent, LABELS, 9)
    assert value.mean == cross_entropy(LOGITS, LABELS)
    assert split_outputs({"out": LOGITS, "aux": LABELS}, {}) == (LOGITS, {})
    assert split_outputs(LOGITS, {"aux": 0.5}) == (LOGITS, {})


def on_values(outputs, labels):
    """A criterion that looks at its values."""
    return cross_entropy(outputs, labels) * (2.0 if labels.min().item() == 0 else 1.0)


LOSSES = [
    (cross_entropy, lambda o, y: cross_entropy(o, y, reduction="none")),
    (
        CrossEntropy(INFO, label_smoothing=0.1),
        lambda o, y: cross_entropy(o, y, label_smoothing=0.1, reduction="none"),
    ),
    (on_values, lambda o, y: cross_entropy(o, y, reduction="none") * (1 + (y == 0))),
]


@pytest.mark.parametrize(("loss", "by_sample"), LOSSES, ids=["foreign", "smoothed", "on values"])
def test_mixed_targets_combine_each_samples_two_losses_with_its_own_weight(loss, by_sample):
    share, other = torch.rand(9, generator=torch.Generator().manual_seed(0)), classes(9, seed=5)
    criterion = Criterion(loss, {})
    expected = share * by_sample(LOGITS, LABELS) + (1 - share) * by_sample(LOGITS, other)
    for _ in range(2):
        value = criterion(LOGITS, MixedTargets(LABELS, other, share), 9)
        torch.testing.assert_close(value.mean, expected.mean())
        assert value.weight == pytest.approx(9)


def test_mixed_targets_keep_the_weights_of_their_classes():
    share, other = torch.rand(9, generator=torch.Generator().manual_seed(0)), classes(9, seed=5)
    value = Criterion(CrossEntropy(INFO, weight=WEIGHTS), {})(LOGITS, MixedTargets(LABELS, other, share), 9)
    weights = torch.tensor(WEIGHTS)
    first = share * weights[LABELS]
    second = (1 - share) * weights[other]
    total = first * cross_entropy(LOGITS, LABELS, reduction="none")
    total = total + second * cross_entropy(LOGITS, other, reduction="none")
    torch.testing.assert_close(value.mean, total.sum() / (first + second).sum())
    torch.testing.assert_close(torch.as_tensor(value.weight), (first + second).sum())


def test_mixed_targets_that_are_not_mixed_give_the_plain_loss():
    for loss in (CrossEntropy(INFO), CrossEntropy(INFO, weight=WEIGHTS)):
        for targets in (
            MixedTargets(LABELS, classes(9, seed=5), torch.ones(9)),
            MixedTargets(LABELS, LABELS, torch.full((9,), 0.3)),
        ):
            criterion = Criterion(loss, {})
            torch.testing.assert_close(criterion(LOGITS, targets, 9).mean, criterion(LOGITS, LABELS, 9).mean)


def test_mixed_targets_reach_auxiliary_outputs_too():
    share, other = torch.full((9,), 0.3), classes(9, seed=5)
    aux = noise(9, 3, seed=1)
    value = Criterion(cross_entropy, {"aux": 0.4})(
        {"out": LOGITS, "aux": aux}, MixedTargets(LABELS, other, share), 9
    )

    def mixed(outputs):
        return 0.3 * cross_entropy(outputs, LABELS) + 0.7 * cross_entropy(outputs, other)

    torch.testing.assert_close(value.mean, mixed(LOGITS) + 0.4 * mixed(aux))


def case(name):
    """A criterion, and outputs and targets of nine samples for it."""
    masks = classes(9, 4, 4)
    masks[0], masks[5, :2] = 255, 255
    share = torch.rand(9, generator=torch.Generator().manual_seed(0))
    aux = {"out": LOGITS, "aux": noise(9, 3, seed=1)}
    return {
        "plain": (Criterion(CrossEntropy(INFO), {}), LOGITS, LABELS),
        "class weights": (Criterion(CrossEntropy(INFO, weight=WEIGHTS), {}), LOGITS, LABELS),
        "ignored pixels": (Criterion(CrossEntropy(PIXELS), {}), noise(9, 3, 4, 4), masks),
        "dice": (Criterion(Dice(PIXELS), {}), noise(9, 3, 4, 4), masks),
        "auxiliary": (Criterion(CrossEntropy(INFO), {"aux": 0.4}), aux, LABELS),
        "auxiliary, class weights": (
            Criterion(CrossEntropy(INFO, weight=WEIGHTS), {"aux": 0.4}),
            aux,
            LABELS,
        ),
        "mixed": (Criterion(CrossEntropy(INFO), {}), LOGITS, MixedTargets(LABELS, LABELS.flip(0), share)),
        "mixed, class weights": (
            Criterion(CrossEntropy(INFO, weight=WEIGHTS), {}),
            LOGITS,
            MixedTargets(LABELS, LABELS.flip(0), share),
        ),
        "squares": (Criterion(mse_loss, {}), LOGITS, noise(9, 3, seed=3)),
    }[name]


def rows(value, start, end):
    if isinstance(value, dict):
        return {name: item[start:end] for name, item in value.items()}
    if isinstance(value, MixedTargets):
        return MixedTargets(*(item[start:end] for item in value))
    return value[start:end]


CASES = (
    "plain",
    "class weights",
    "ignored pixels",
    "dice",
    "auxiliary",
    "auxiliary, class weights",
    "mixed",
    "mixed, class weights",
    "squares",
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cuts", [(0, 9), (0, 4, 9), (0, 1, 2, 7, 9)], ids=["whole", "two", "four"])
def test_a_batch_cut_up_has_the_loss_and_the_gradient_of_the_whole(name, cuts):
    criterion, outputs, targets = case(name)
    scale = torch.tensor(1.3, requires_grad=True)

    def values(parts):
        for start, end in itertools.pairwise(parts):
            part = rows(outputs, start, end)
            scaled = {k: v * scale for k, v in part.items()} if isinstance(part, dict) else part * scale
            yield criterion(scaled, rows(targets, start, end), end - start)

    (whole,) = values((0, 9))
    parts = list(values(cuts))
    total = sum(part.sum for part in parts) / sum(part.weight for part in parts)
    torch.testing.assert_close(total, whole.mean)
    torch.testing.assert_close(sum(part.sum for part in parts), whole.sum)
    expected = torch.autograd.grad(whole.mean, scale)
    torch.testing.assert_close(torch.autograd.grad(total, scale), expected)
