"""What `auto` becomes, and which number formats there are where."""

from __future__ import annotations

import pytest
import torch
import torchvision
from imgfw import UsageError
from imgfw.engine import cpu_formats, precision
from imgfw.engine.precision import choose_device, choose_precision
from torch import nn

CPU = torch.device("cpu")
CONVOLUTIONS = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)))
LINEAR = nn.Linear(3, 4)


@pytest.fixture(params=[True, False], ids=["bf16 in hardware", "no bf16"])
def has_bf16(request, monkeypatch):
    """Whether the CPU has bf16."""
    monkeypatch.setattr(precision, "has_bf16", lambda: request.param)
    return request.param


def on_no_device(name):
    """A model of torchvision's without its weights."""
    with torch.device("meta"):
        return getattr(torchvision.models, name)(weights=None)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "resnet50", "wide_resnet50_2", "densenet121", "vit_b_16", "swin_t"),
        *("convnext_tiny", "maxvit_t", "efficientnet_v2_s"),  # with depthwise convolutions, too few to matter
    ],
)
def test_auto_is_bf16_for_dense_models_on_a_cpu_that_has_it(name, has_bf16):
    chosen = choose_precision(CPU, "auto", "auto", on_no_device(name), 8 * 224 * 224)
    assert chosen.name == ("bf16" if has_bf16 else "fp32")


@pytest.mark.parametrize(
    "name",
    [
        *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet1_0"),
        *("efficientnet_b0", "efficientnet_b7", "shufflenet_v2_x1_0", "shufflenet_v2_x2_0"),
    ],
)
def test_auto_is_fp32_for_depthwise_models_on_a_cpu(name, has_bf16):
    chosen = choose_precision(CPU, "auto", "auto", on_no_device(name), 8 * 224 * 224)
    assert (chosen.name, chosen.memory_format) == ("fp32", torch.channels_last)


@pytest.mark.parametrize(
    ("model", "pixels", "expected"),
    [
        (CONVOLUTIONS, 64 * 8 * 8, ("fp32", torch.channels_last)),  # digits
        (CONVOLUTIONS, 128 * 28 * 28, ("bf16", torch.channels_last)),  # Fashion-MNIST
        ("resnet18", 16 * 16 * 16, ("fp32", torch.contiguous_format)),  # each weight meets next to no pixel
        ("resnet18", 16 * 32 * 32, ("bf16", torch.contiguous_format)),
        ("resnet18", 64 * 32 * 32, ("bf16", torch.channels_last)),
        ("wide_resnet50_2", 4 * 64 * 64, ("bf16", torch.contiguous_format)),
        ("wide_resnet50_2", 224 * 224, ("bf16", torch.channels_last)),
        ("vgg16", 64 * 32 * 32, ("bf16", torch.channels_last)),
        ("vgg16", 8 * 32 * 32, ("fp32", torch.contiguous_format)),  # large linear layers for few pixels
        ("densenet121", 8 * 32 * 32, ("bf16", torch.channels_last)),
        ("efficientnet_v2_m", 2 * 96 * 96, ("bf16", torch.channels_last)),
        ("efficientnet_b5", 2 * 128 * 128, ("fp32", torch.contiguous_format)),
        ("efficientnet_b5", 8 * 128 * 128, ("fp32", torch.channels_last)),
        ("resnet18", None, ("bf16", torch.channels_last)),
    ],
)
def test_auto_goes_by_the_work_that_a_batch_brings_on_a_cpu(model, pixels, expected, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    built = on_no_device(model) if isinstance(model, str) else model
    chosen = choose_precision(CPU, "auto", "auto", built, pixels)
    assert (chosen.name, chosen.memory_format) == expected


@pytest.mark.parametrize("model", [nn.BatchNorm2d(3), nn.Sequential(LINEAR)])
def test_a_model_without_convolutions_stays_in_fp32_on_a_cpu(model, has_bf16):
    assert choose_precision(CPU, "auto", "auto", model).name == "fp32"


def test_a_precision_that_the_recipe_names_is_taken_on_any_cpu(has_bf16):
    assert choose_precision(CPU, "bf16", "auto", nn.BatchNorm2d(3), 64).name == "bf16"


def test_what_the_cpu_has_is_what_torch_says():
    said = torch.cpu.get_capabilities()
    assert cpu_formats.has_bf16() == (said.get("avx512_bf16", False) or said.get("amx_bf16", False))


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
    chosen = choose_precision(CPU, name, "auto", LINEAR)
    with chosen.autocast():
        assert LINEAR(torch.ones(1, 3)).dtype == dtype


def test_only_fp16_scales_its_gradients():
    for name in ("fp32", "bf16"):
        scaler = choose_precision(CPU, name, "auto", LINEAR).make_scaler()
        assert not scaler.is_enabled()
        assert scaler.state_dict() == {}


def test_auto_is_a_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(("name", "number"), [("auto", 2), ("cuda", 2), ("cuda:1", 1)])
def test_a_gpu_has_its_number(monkeypatch, name, number):
    used = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    device = torch.device("cuda", number)
    assert choose_device(name) == device
    assert used == [device]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_an_error(name):
    with pytest.raises(UsageError, match="asks for a GPU, but torch sees none"):
        choose_device(name)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is one of Apple's GPUs")
def test_apples_gpu_that_is_not_there_is_an_error():
    with pytest.raises(UsageError, match="Apple's GPU"):
        choose_device("mps")
