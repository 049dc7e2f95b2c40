from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 28), (3, 64)])
def test_resnet9_takes_small_images_of_any_channels(channels, size, build, info):
    model = build("resnet9", info(channels=channels)).train()
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 10)


def test_resnet9_cannot_take_less_than_eight_pixels(build):
    with pytest.raises(RuntimeError):
        build("resnet9")(torch.zeros(2, 3, 7, 7))


def test_the_width_of_resnet9_is_a_setting(build):
    assert build("resnet9", width=4).head.in_features == 32


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (5, 3), (1, 1)])
def test_unet_returns_logits_of_the_images_size(size, build, info):
    model = build("unet", info("segmentation", 4, channels=1), width=4).train()
    assert model(torch.rand(2, 1, *size)).shape == (2, 4, *size)


def test_padding_inside_unet_does_not_move_the_image(build, info):
    model = build("unet", info("segmentation", 2), width=4, depth=2).eval()
    images = torch.rand(1, 3, 22, 22)
    padded = torch.nn.functional.pad(images, (0, 2, 0, 2))
    torch.testing.assert_close(model(images), model(padded)[..., :22, :22])


@pytest.mark.parametrize(("depth", "expected"), [(1, 8), (4, 64)])
def test_depth_says_how_often_unet_doubles_its_channels(depth, expected, build, info):
    model = build("unet", info("segmentation", 2), width=4, depth=depth)
    assert max(value.shape[0] for value in model.parameters()) == expected


@pytest.mark.parametrize(("name", "task"), [("resnet9", "classification"), ("unet", "segmentation")])
def test_own_networks_start_from_a_file_with_another_head(name, task, build, info, tmp_path):
    trained = build(name, info(task, 3), width=4).state_dict()
    save_file(trained, tmp_path / "w.safetensors")
    model = build(name, info(task, 5, channels=1), width=4, pretrained=tmp_path / "w.safetensors")
    state = model.state_dict()
    assert state["head.bias"].shape == (5,)
    unchanged = [key for key in trained if trained[key].shape == state[key].shape]
    assert len(trained) - len(unchanged) == 3
    assert all(torch.equal(trained[key], state[key]) for key in unchanged)
