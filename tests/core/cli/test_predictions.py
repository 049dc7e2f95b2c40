"""What a task's records become for a person."""

from __future__ import annotations

import numpy as np
import torch
from imgfw.cli.predictions import PredictionFiles, save_mask, text_of
from PIL import Image
from safetensors.torch import load_file


def test_objects_are_listed_under_their_number():
    record = {"objects": [{"label": "circle", "index": 1, "score": 0.5, "box": [1, 2, 3.25, 4]}]}
    assert text_of(record) == "1 object\n  circle (0.5000) at 1.0, 2.0, 3.2, 4.0"


def test_several_labels_stand_in_one_line():
    record = {"labels": ["red", "round"], "probabilities": {"red": 0.75, "round": 0.5, "big": 0.25}}
    assert text_of(record) == "red (0.7500), round (0.5000)"
    assert text_of(record | {"labels": []}) == "no label"


def test_a_record_of_an_unknown_form_is_json():
    assert text_of({"depth": [1, 2]}) == '{"depth": [1, 2]}'


def test_a_mask_holds_class_indices(tmp_path):
    save_mask(torch.tensor([[0, 1], [2, 255]]), tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert np.array(image).tolist() == [[0, 1], [2, 255]]
        assert image.getpalette()[:3] == [0, 0, 0]


def test_a_mask_of_many_classes_is_16_bit_grey(tmp_path):
    save_mask(torch.tensor([[0, 1000]]), tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert np.array(image).tolist() == [[0, 1000]]


def test_a_tensor_that_is_no_mask_is_written_as_safetensors(tmp_path):
    values = torch.rand(2, 3, 4)
    plain = PredictionFiles(tmp_path).write(tmp_path / "a.jpg", {"depth_tensor": values, "near": 1})
    assert plain["near"] == 1
    assert torch.equal(load_file(plain["depth"])["value"], values)
