"""A U-Net on timm's encoders."""

from __future__ import annotations

import pytest
import torch
from imgfw import DataError
from imgfw_plugin_timm.classifier import timm_model
from imgfw_plugin_timm.unet import timm_unet
from safetensors.torch import save_file

SWIN = {"embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1], "window_size": 2}


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("test_resnet", None),
        ("test_convnext", None),
        ("test_vit", None),
        ("swin_tiny_patch4_window7_224", SWIN),  # its features have their channels last
    ],
)
def test_an_encoder_gives_logits_of_the_images_size(info, encoder, options):
    model = timm_unet(info(channels=1, size=(64, 64)), encoder=encoder, width=8, options=options)
    outputs = model(torch.rand(2, 1, 64, 64))
    assert outputs.shape == (2, 3, 64, 64)
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())


def test_a_convolutional_encoder_takes_odd_sizes(info):
    model = timm_unet(info(size=None), encoder="test_resnet", width=8)
    assert model(torch.rand(2, 3, 37, 51)).shape == (2, 3, 37, 51)


def test_the_encoder_starts_from_the_weights_of_a_classifier(info, tmp_path):
    classifier = timm_model(info(classes=9), model="test_resnet")
    save_file(classifier.state_dict(), tmp_path / "w.safetensors")
    model = timm_unet(info(), encoder="test_resnet", pretrained_encoder=tmp_path / "w.safetensors")
    encoder = model.encoder.state_dict()
    assert len(encoder) > 50
    for name, tensor in encoder.items():
        assert torch.equal(tensor, classifier.state_dict()[name]), name


def test_weights_of_another_classifier_are_refused(info, tmp_path):
    save_file(timm_model(info(), model="test_convnext").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="does not fit test_resnet"):
        timm_unet(info(), encoder="test_resnet", pretrained_encoder=tmp_path / "w.safetensors")


def test_an_unknown_encoder_is_refused_by_its_setting(info):
    with pytest.raises(ValueError, match=r'encoder: timm has no model "resnt34"; did you mean .*resnet34'):
        timm_unet(info(), encoder="resnt34")
