"""Image classifiers of transformers, made from local configurations and weights."""

from __future__ import annotations

import json

import imgfw
import pytest
import torch
from imgfw_plugin_hf.classifier import find_head, hf_image_classifier
from transformers import ResNetConfig, ResNetForImageClassification, ViTConfig, ViTForImageClassification

from .conftest import RESNET

VIT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TYPE = {"type": "hf_image_classifier"}


@pytest.fixture
def resnet(tmp_path):
    """A small ResNet for five classes that transformers saved: the model and its folder."""
    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(**RESNET, num_labels=5))
    model.save_pretrained(tmp_path / "resnet")
    return model, tmp_path / "resnet"


@pytest.fixture
def vit(tmp_path):
    """The folder of a small vision transformer for 32x32 images."""
    ViTForImageClassification(ViTConfig(**VIT, num_labels=3)).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def test_the_outputs_are_logits_for_the_datas_classes_and_channels(resnet, info):
    model = hf_image_classifier(info(channels=1), folder=resnet[1])
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    assert model.config.id2label == {0: "red", 1: "green", 2: "blue"}


def test_the_state_dict_is_transformers_own(resnet, info):
    ours = hf_image_classifier(info(), folder=resnet[1]).state_dict()
    bare = ResNetForImageClassification(ResNetConfig(**RESNET, num_labels=3))
    bare.load_state_dict(ours, strict=True)
    assert all(torch.equal(tensor, ours[name]) for name, tensor in bare.state_dict().items())


def test_pretrained_weights_are_taken_but_for_a_head_of_other_classes(resnet, info):
    original, folder = resnet
    model = hf_image_classifier(info(), folder=folder, pretrained=True)
    head = find_head(model)
    assert head == ("classifier.",)
    for name, tensor in original.state_dict().items():
        if not name.startswith(head):
            assert torch.equal(model.state_dict()[name], tensor), name
    fresh = hf_image_classifier(info(), folder=folder)
    assert not torch.equal(
        fresh.resnet.embedder.embedder.convolution.weight,
        original.resnet.embedder.embedder.convolution.weight,
    )


def test_a_model_for_one_size_is_made_for_the_datas(vit, info):
    model = hf_image_classifier(info(size=(48, 48)), folder=vit)
    assert model(torch.zeros(1, 3, 48, 48)).shape == (1, 3)
    with pytest.raises(ValueError, match="needs square images, not 32x48"):
        hf_image_classifier(info(size=(32, 48)), folder=vit)


def test_pretrained_weights_want_the_size_and_channels_that_they_were_trained_for(vit, info):
    with pytest.raises(
        ValueError, match=r'of 32x32 pixels, not of 48x48; add {"type": "resize", "size": \[32, 32\]}'
    ):
        hf_image_classifier(info(size=(48, 48)), folder=vit, pretrained=True)
    with pytest.raises(ValueError, match="for images of 3 channels, but the data has 1"):
        hf_image_classifier(info(channels=1), folder=vit, pretrained=True)
    assert hf_image_classifier(info(), folder=vit, pretrained=True)(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_options_change_the_configuration(vit, info):
    model = hf_image_classifier(info(), folder=vit, options={"num_hidden_layers": 3})
    assert model.config.num_hidden_layers == 3
    with pytest.raises(ValueError, match="options: a configuration of vit has no hiden_size"):
        hf_image_classifier(info(), folder=vit, options={"hiden_size": 8})


def test_weights_that_do_not_fit_the_configuration_are_refused(vit, info):
    with pytest.raises(
        imgfw.DataError, match=r"lack \d+ of the model's tensors.*layer.*Use the configuration"
    ):
        hf_image_classifier(info(), folder=vit, pretrained=True, options={"num_hidden_layers": 3})


def test_weights_that_would_be_unpickled_are_refused(resnet, info):
    original, folder = resnet
    (folder / "model.safetensors").unlink()
    torch.save(original.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(imgfw.DataError, match="safetensors"):
        hf_image_classifier(info(), folder=folder, pretrained=True)


def test_code_of_a_repository_is_not_run(tmp_path, info):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "mine.MineConfig"}})
    )
    (tmp_path / "mine.py").write_text("raise SystemExit('code of the repository')")
    with pytest.raises(ValueError, match=r"trust_remote_code"):
        hf_image_classifier(info(), folder=tmp_path)


def test_a_model_of_the_hub_needs_the_network_or_the_cache(info):
    with pytest.raises(imgfw.DataError, match=r'nobody/nothing cannot be had .*"folder" names a local copy'):
        hf_image_classifier(info(), path="nobody/nothing")


def test_a_run_trains_the_head_and_needs_no_weights_to_predict(resnet, saved, imgfw_run):
    original, folder = resnet
    outcome = imgfw_run(
        {
            "data": {"type": "hf_dataset", "folder": str(saved)},
            "loader": {"batch_size": 8, "num_workers": 0},
            "model": {"folder": str(folder), "pretrained": True, "freeze": "backbone", **TYPE},
            "optimizer": {"type": "adam", "lr": 0.05},
            "train": {"epochs": 5},
        }
    )
    assert outcome.exit_code == 0, outcome.output
    (folder / "model.safetensors").unlink()
    predictor = imgfw.load(outcome.folder)
    name = "resnet.embedder.embedder.convolution.weight"
    assert torch.equal(predictor.model.get_parameter(name), original.get_parameter(name))
    red = torch.tensor([200, 30, 30], dtype=torch.uint8).view(3, 1, 1).expand(3, 16, 16)
    assert predictor.predict([red])[0]["label"] == "red"
