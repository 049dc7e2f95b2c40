"""What goes into a state comes back equal, through JSON and safetensors files."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque

import numpy as np
import pytest
import torch
from imgfw.engine.saving.state import decode, encode
from safetensors.torch import load_file, save_file


@pytest.fixture
def through_files(tmp_path):
    """Save a state to files, and read it back."""

    def go(state):
        data, storages = encode(state)
        (tmp_path / "state.json").write_text(json.dumps(data, allow_nan=False))
        save_file(storages, tmp_path / "state.safetensors")
        read = json.loads((tmp_path / "state.json").read_text())
        return decode(read, load_file(tmp_path / "state.safetensors"))

    return go


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**70),
        0.1,
        5e-324,
        "",
        "größe\n\x00",
        "\udcff",
        b"",
        b"\x00\xff",
        [],
        (),
        set(),
        {},
        [1, [2, (3,)]],
        (1, (2,), [3]),
        {1, 2},
        {(3, "a")},
        {3: 1, "3": 2},
        {True: "yes"},
        {None: 0, (1, "a"): 1, 0.5: 2, b"k": 3},
        {"$": "tensor", "name": "t0"},
        {"a": {"$": {"$": 1}}},
        OrderedDict([("b", 1), ("a", 2)]),
        OrderedDict([(2, 1), (1, {"x": ()})]),
        deque([1, 2]),
        [{"params": [0, 1], "betas": (0.9, 0.999), "lr": 1e-3, "fused": None}],
    ],
    ids=repr,
)
def test_values_come_back_equal_and_of_their_type(through_files, value):
    found = through_files({"value": value})["value"]
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan"), np.float64("-inf")])
def test_numbers_that_json_has_not_come_back(through_files, number):
    found = through_files({"number": number, 3: [number]})
    for value in (found["number"], found[3][0]):
        assert math.isnan(value) if math.isnan(number) else value == number


def test_the_order_of_a_dict_is_kept(through_files):
    state = dict.fromkeys(("z", "a", "m"), 0)
    assert list(through_files(state)) == ["z", "a", "m"]


def test_a_deque_keeps_its_length_limit(through_files):
    found = through_files({"window": deque([1, 2, 3], maxlen=3)})["window"]
    found.append(4)
    assert list(found) == [2, 3, 4]


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3)], ids=str)
def test_tensors_come_back_equal(through_files, dtype, shape):
    tensor = torch.arange(math.prod(shape)).reshape(shape).to(dtype)
    found = through_files({"tensor": tensor})["tensor"]
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    assert torch.equal(found, tensor)


def test_bits_that_are_not_a_number_are_kept(through_files):
    odd = torch.tensor([0x7FC00001, 0x7F800001, -0x80000000], dtype=torch.int32).view(torch.float32)
    assert torch.equal(through_files({"odd": odd})["odd"].view(torch.int32), odd.view(torch.int32))


BASE = torch.arange(48.0)


@pytest.mark.parametrize(
    "view",
    [
        BASE.reshape(2, 4, 2, 3).contiguous(memory_format=torch.channels_last),
        BASE.reshape(6, 8).t(),
        BASE[5:17:3],
        BASE.reshape(6, 8)[1:3, 2:5],
        BASE[:4].unsqueeze(0).expand(3, 4),
        BASE[7],
        torch.randn(3, 4, requires_grad=True),
        torch.nn.Parameter(torch.randn(3)),
    ],
    ids=["channels_last", "transposed", "stepped", "window", "expanded", "element", "grad", "parameter"],
)
def test_views_come_back_with_their_strides(through_files, view):
    found = through_files([view, 1])[0]
    assert torch.equal(found, view)
    assert found.stride() == view.stride()
    assert not found.requires_grad


def test_tensors_that_share_memory_share_it_again(through_files):
    table = torch.zeros(4, 3)
    found = through_files({"table": table, "row": table[1], "again": [table], "apart": torch.zeros(4, 3)})
    found["table"][1] = 7
    assert torch.equal(found["row"], torch.full((3,), 7.0))
    assert torch.equal(found["again"][0], found["table"])
    assert torch.equal(found["apart"], torch.zeros(4, 3))


def test_memory_is_saved_once():
    table = torch.zeros(4, 3)
    _, storages = encode({"table": table, "rows": list(table), "turned": table.t()})
    assert [storage.numel() for storage in storages.values()] == [12]


def test_encoding_copies_so_that_training_can_go_on():
    weight = torch.zeros(3)
    data, storages = encode({"weight": weight})
    weight += 1
    assert torch.equal(decode(data, storages)["weight"], torch.zeros(3))


class Thing:
    """Something that only pickle could save."""


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"callbacks": [{}, {"x": Thing()}]}, "state.callbacks[1].x holds Thing"),
        ({"a": {3: (0, Thing())}}, "state.a[3][1] holds Thing"),
        ({"a": {Thing: 1}}, "state.a key holds type"),
        ({"a": np.arange(3)}, "state.a holds ndarray"),
        ({"a": frozenset()}, "state.a holds frozenset"),
        ({"a": [1j]}, "state.a[0] holds complex"),
        ({"a": torch.eye(2).to_sparse()}, "state.a holds a tensor of layout torch.sparse_coo"),
    ],
)
def test_what_cannot_be_saved_names_its_path(state, where):
    with pytest.raises(TypeError) as refused:
        encode(state)
    assert str(refused.value).startswith(where)


def test_a_type_that_the_format_lacks_is_refused():
    with pytest.raises(ValueError, match="'pickle' is no type of this format"):
        decode({"$": "pickle", "value": ""}, {})


def test_the_state_of_a_scheduler_that_json_would_spoil_goes_on_alike(through_files):
    def make():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4, 4])

    def steps(optimizer, scheduler, count):
        for _ in range(count):
            optimizer.step()
            scheduler.step()
        return optimizer.param_groups[0]["lr"]

    straight, resumed = make(), make()
    steps(*straight, 3)
    resumed[0].load_state_dict(through_files(straight[0].state_dict()))
    resumed[1].load_state_dict(through_files(straight[1].state_dict()))
    assert steps(*resumed, 3) == steps(*straight, 3) == pytest.approx(1e-3)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "RMSprop", "Adagrad"])
def test_the_state_of_an_optimizer_comes_back_equal(through_files, name):
    convolution = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    settings = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(torch.optim, name)(convolution.parameters(), lr=0.1, **settings)
    convolution(torch.randn(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    before, after = optimizer.state_dict(), through_files(optimizer.state_dict())
    assert after["param_groups"] == before["param_groups"]
    assert list(after["state"]) == [0, 1]
    for number, values in before["state"].items():
        for name, value in values.items():
            assert torch.equal(torch.as_tensor(after["state"][number][name]), torch.as_tensor(value))
            assert torch.as_tensor(after["state"][number][name]).stride() == torch.as_tensor(value).stride()


def test_equal_sets_are_saved_alike():
    one, other = set([0, 8]), set([8, 0])  # noqa: C405 (literals would come out in one order)
    assert list(one) != list(other)
    assert encode(one) == encode(other)


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [([5], [1], 0), ([1], [1], 4), ([2], [1], -1), ([2], [-1], 1), ([2, 2**62], [1, 1], 0)],
)
def test_a_view_that_reaches_outside_of_its_tensor_is_refused(shape, stride, offset):
    view = {"$": "tensor", "name": "t0", "shape": shape, "stride": stride, "offset": offset}
    with pytest.raises(RuntimeError):
        decode(view, {"t0": torch.arange(4)})
