"""What `auto` becomes, and which number formats there are where."""

from __future__ import annotations

import pytest
import torch
from imgfw import UsageError
from imgfw.engine.precision import choose_device, choose_precision
from torch import nn

CPU = torch.device("cpu")
CONVOLUTIONS = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)))
LINEAR = nn.Linear(3, 4)


def test_auto_is_fp32_on_a_cpu():
    assert choose_precision(CPU, "auto", "auto", CONVOLUTIONS).name == "fp32"


def test_fp16_on_a_cpu_is_refused():
    with pytest.raises(UsageError, match=r'fp16 training needs a GPU.*"bf16" or "fp32"'):
        choose_precision(CPU, "fp16", "auto", CONVOLUTIONS)


@pytest.mark.parametrize(
    ("asked", "model", "expected"),
    [
        ("auto", CONVOLUTIONS, torch.channels_last),
        ("auto", nn.Conv2d(8, 16, 1, stride=2), torch.contiguous_format),  # crashes oneDNN in channels last
        ("auto", nn.Conv2d(16, 32, 1, stride=2), torch.channels_last),
        ("auto", LINEAR, torch.contiguous_format),
        (False, CONVOLUTIONS, torch.contiguous_format),
        (True, LINEAR, torch.channels_last),
    ],
)
def test_channels_come_last_for_models_with_convolutions_or_as_asked(asked, model, expected):
    assert choose_precision(CPU, "fp32", asked, model).memory_format == expected


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_forward_pass_computes_in_the_precision(name, dtype):
    precision = choose_precision(CPU, name, "auto", LINEAR)
    with precision.autocast():
        assert LINEAR(torch.ones(1, 3)).dtype == dtype


def test_only_fp16_scales_its_gradients():
    for name in ("fp32", "bf16"):
        scaler = choose_precision(CPU, name, "auto", LINEAR).make_scaler()
        assert not scaler.is_enabled()
        assert scaler.state_dict() == {}


def test_auto_is_a_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_an_error(name):
    with pytest.raises(UsageError, match="asks for a GPU, but torch sees none"):
        choose_device(name)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is one of Apple's GPUs")
def test_apples_gpu_that_is_not_there_is_an_error():
    with pytest.raises(UsageError, match="Apple's GPU"):
        choose_device("mps")
