from __future__ import annotations

import pytest
import torch
from imgfw_plugins.transforms import RandomErasing


def test_what_is_erased_is_one_rectangle_of_the_right_area_and_proportions(keys, info):
    erasing = RandomErasing(info, p=1.0, scale=(0.1, 0.3), ratio=(0.5, 2.0), value=9)
    batch = torch.zeros(200, 3, 60, 80, dtype=torch.uint8)
    erased, _ = erasing.apply_batch(batch, torch.zeros(200), erasing.draw(keys(200)))
    for image in erased == 9:
        rows, columns = image[0].any(1).sum().item(), image[0].any(0).sum().item()
        assert image.sum() == 3 * rows * columns
        assert 0.1 * 4800 * 0.9 <= rows * columns <= 0.3 * 4800 * 1.1
        assert 0.45 <= rows / columns <= 2.2
    touched = (erased == 9).any(dim=1).float().mean(0)
    assert touched.any(0).all() and touched.any(1).all(), "some row or column is always spared"


def test_images_are_erased_as_often_as_the_probability_says(keys, info):
    erasing = RandomErasing(info, p=0.25, value=1)
    batch = torch.zeros(4000, 1, 16, 16, dtype=torch.uint8)
    erased, _ = erasing.apply_batch(batch, torch.zeros(4000), erasing.draw(keys(4000)))
    assert erased.flatten(1).any(1).float().mean() == pytest.approx(0.25, abs=0.03)


def test_each_channel_gets_its_own_value(keys, info):
    erasing = RandomErasing(info, p=1.0, value=(0.1, -0.2, 0.3))
    erased, _ = erasing.apply_batch(torch.full((4, 3, 16, 16), 5.0), 0, erasing.draw(keys(4)))
    for channel, value in enumerate((0.1, -0.2, 0.3)):
        assert erased[:, channel].unique().tolist() == pytest.approx([value, 5.0])


def test_noise_is_normal_in_float_images_and_uniform_in_uint8_ones(keys, info):
    erasing = RandomErasing(info, p=1.0, scale=(0.9, 0.9), ratio=(1, 1), value="random")
    parameters = erasing.draw(keys(30))
    erased, _ = erasing.apply_batch(torch.full((30, 3, 40, 40), 50.0), 0, parameters)
    noise = erased[erased != 50.0]
    assert noise.mean() == pytest.approx(0, abs=0.02) and noise.std() == pytest.approx(1, abs=0.02)
    assert noise.isfinite().all() and len(noise.unique()) > 0.9 * len(noise)
    levels, _ = erasing.apply_batch(torch.zeros(30, 3, 40, 40, dtype=torch.uint8), 0, parameters)
    assert levels.float().mean() == pytest.approx(127.5 * 0.9, rel=0.03)
    assert len(levels.unique()) == 256


def test_two_samples_get_different_noise_and_the_same_sample_the_same(keys, info):
    erasing = RandomErasing(info, p=1.0, value="random")
    parameters = erasing.draw(keys(2))
    shared_place = {name: values[[0, 0]] for name, values in parameters.items()}
    batch = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    same, _ = erasing.apply_batch(batch, 0, shared_place)
    assert torch.equal(same[0], same[1])
    other, _ = erasing.apply_batch(batch, 0, {**shared_place, "noise": parameters["noise"]})
    assert not torch.equal(other[0], other[1])


def test_settings_that_cannot_be_are_refused_in_a_sentence(info):
    with pytest.raises(ValueError, match="value has 2 numbers but the images have 3 channels"):
        RandomErasing(info, value=(1, 2))
    with pytest.raises(ValueError, match="scale goes from"):
        RandomErasing(info, scale=(0.5, 0.1))
