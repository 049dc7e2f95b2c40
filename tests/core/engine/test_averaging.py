"""The moving average of the weights: what it is, what is evaluated and saved, and that it survives."""

from __future__ import annotations

import imgfw
import pytest
import torch
from imgfw.engine import runs
from imgfw.engine.averaging import WeightAverage
from imgfw.engine.saving import checkpoint
from torch import nn

from .conftest import CLASSIFICATION, fingerprint

AVERAGED = {**CLASSIFICATION, "train": {**CLASSIFICATION["train"], "ema_decay": 0.9}}


def test_the_average_follows_its_recurrence_and_the_decay_rises_to_what_was_asked():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    average, expected = WeightAverage(model, 0.25), 0.0
    for step, decay in enumerate([2 / 11, 0.25, 0.25], 1):
        nn.init.constant_(model.weight, float(step))
        average.update()
        expected = decay * expected + (1 - decay) * step
        assert average.model.weight.item() == pytest.approx(expected)


def test_buffers_are_averaged_and_counts_copied():
    model = nn.BatchNorm1d(2, momentum=1.0)
    average = WeightAverage(model, 0.5)
    model(torch.tensor([[0.0, 2.0], [4.0, 2.0]]))
    average.update()
    assert average.model.running_mean.tolist() == pytest.approx([2 * 9 / 11, 2 * 9 / 11])
    assert average.model.num_batches_tracked == 1


def test_a_layer_shared_by_two_names_is_averaged_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, layer)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        layer.weight.zero_()
    before = average.model[0].weight.clone()
    average.update()
    assert average.model[0].weight is average.model[1].weight
    assert torch.allclose(average.model[0].weight, before * 2 / 11)


def test_the_average_is_what_is_saved_as_the_model_and_evaluated(train):
    result = train(AVERAGED)
    saved = checkpoint.load(result.folder / "checkpoints" / "last")
    plain = checkpoint.load(train(CLASSIFICATION, "plain").folder / "checkpoints" / "last")
    trained = saved.state["average"]["trained"]
    assert all(torch.equal(trained[name], plain.model[name]) for name in plain.model)
    assert not torch.equal(saved.model["head.weight"], trained["head.weight"])
    assert runs.evaluate(result.folder) == pytest.approx(result.summary["test"])


def test_a_stopped_run_goes_on_with_both_weights_and_average(train, stop_at):
    straight = fingerprint(train(AVERAGED, "straight").folder)
    for look in (4, 6, 7):  # within an epoch, and while it is evaluated
        stop_at(look)
        with pytest.raises(imgfw.InterruptedRun) as stopped:
            train(AVERAGED, f"stopped-{look}")
        stop_at(0)
        folder = stopped.value.hint.rpartition("--resume ")[2]
        assert fingerprint(runs.resume(folder, quiet=True).folder) == straight
