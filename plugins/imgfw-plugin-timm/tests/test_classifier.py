"""timm's classifiers by name, with settings and with weights."""

from __future__ import annotations

import pickle

import pytest
import timm
import torch
from imgfw import DataError
from imgfw_plugin_timm.classifier import find_head, timm_model
from safetensors.torch import save_file


@pytest.fixture
def saved(tmp_path):
    """Saves a model's weights, as a run does; returns the file."""

    def save(model):
        path = tmp_path / "model.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
        return path

    return save


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_mambaout"])
@pytest.mark.parametrize(("channels", "size"), [(1, (32, 32)), (3, (48, 64))])
def test_a_model_takes_the_datas_channels_and_size_and_gives_a_logit_a_class(info, name, channels, size):
    model = timm_model(info(channels=channels, size=size), model=name)
    assert model(torch.zeros(2, channels, *size)).shape == (2, 3)


def test_the_state_dict_is_timms_own(info):
    state = timm_model(info(), model="test_resnet").state_dict()
    bare = timm.create_model("test_resnet", num_classes=3)
    bare.load_state_dict(state, strict=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in bare.state_dict().items())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt18", 'model: timm has no model "resnt18"; did you mean .*resnet18'),
        ("qqqqqqqq", r"timm\.list_models\(\) lists them all"),
        ("resnet18.a1_in2k", 'resnet18 has no weights "a1_in2k"; its weights are .*a1_in1k'),
        ("hf-hub:someone/model", "timm has no model"),
    ],
)
def test_a_wrong_name_is_refused_with_those_that_could_be_meant(info, name, message):
    with pytest.raises(ValueError, match=message):
        timm_model(info(), model=name)


def test_dropping_is_as_the_settings_say(info):
    model = timm_model(info(), model="test_resnet", drop_rate=0.25, drop_path_rate=0.5)
    assert model.drop_rate == 0.25
    paths = [part.drop_prob for part in model.modules() if type(part).__name__ == "DropPath"]
    assert max(paths) == 0.5


def test_options_reach_the_architecture(info):
    model = timm_model(info(size=(8, 8)), model="test_vit", options={"patch_size": 2, "depth": 1})
    assert model.patch_embed.num_patches == 16
    assert len(model.blocks) == 1


@pytest.mark.parametrize(
    ("name", "settings", "wrong"),
    [
        ("vgg11", {"drop_path_rate": 0.1}, "drop_path_rate"),
        ("test_resnet", {"options": {"widht": 3}}, "widht"),
    ],
)
def test_a_setting_that_the_architecture_does_not_have_is_refused(info, name, settings, wrong):
    with pytest.raises(
        ValueError, match=f"timm cannot make {name} with .*unexpected keyword argument '{wrong}'"
    ):
        timm_model(info(), model=name, **settings)


@pytest.mark.parametrize("option", ["num_classes", "in_chans", "checkpoint_path", "features_only"])
def test_options_cannot_replace_what_the_data_and_other_settings_say(info, option):
    with pytest.raises(ValueError, match=f"options: {option} is not the recipe's to say here"):
        timm_model(info(), model="test_resnet", options={option: 1})


@pytest.mark.parametrize(
    ("name", "head"),
    [("test_resnet", ("fc.",)), ("test_convnext", ("head.fc.",)), ("test_efficientnet", ("classifier.",))],
)
def test_the_head_is_found_in_the_model(info, name, head):
    model = timm_model(info(), model=name)
    assert find_head(model) == head
    depends = {
        key for key, tensor in timm_model(info(classes=5), model=name).state_dict().items()
        if tensor.shape != model.state_dict()[key].shape
    }  # fmt: skip
    assert depends == {key for key in model.state_dict() if key.startswith(head)}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_all_weights_of_a_file_are_taken(info, saved, name):
    before = timm_model(info(), model=name)
    after = timm_model(info(), model=name, pretrained=saved(before))
    for key, tensor in before.state_dict().items():
        assert torch.equal(after.state_dict()[key], tensor), key


def test_weights_for_other_classes_and_channels_are_adapted(info, saved):
    colour = timm_model(info(classes=5, channels=3), model="test_resnet")
    grey = timm_model(info(classes=3, channels=1), model="test_resnet", pretrained=saved(colour))
    assert torch.equal(grey.layer1[0].conv1.weight, colour.layer1[0].conv1.weight)
    first = grey.pretrained_cfg["first_conv"]
    kernels = colour.get_parameter(f"{first}.weight").sum(dim=1, keepdim=True)
    torch.testing.assert_close(grey.get_parameter(f"{first}.weight"), kernels)
    assert grey.fc.weight.shape == (3, colour.fc.weight.shape[1])


def test_weights_for_grey_images_become_weights_for_colour(info, saved):
    grey = timm_model(info(channels=1), model="test_resnet")
    colour = timm_model(info(channels=3), model="test_resnet", pretrained=saved(grey))
    image = torch.rand(1, 1, 32, 32)
    outputs = [model.eval()(image.expand(-1, model.in_chans, -1, -1)) for model in (grey, colour)]
    torch.testing.assert_close(*outputs)


def test_position_embeddings_are_adapted_to_the_image_size(info, saved):
    small = timm_model(info(size=(32, 32)), model="test_vit")
    large = timm_model(info(size=(64, 64)), model="test_vit", pretrained=saved(small))
    assert torch.equal(large.blocks[0].attn.qkv.weight, small.blocks[0].attn.qkv.weight)
    assert large(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_weights_of_another_model_are_refused(info, saved):
    path = saved(timm_model(info(), model="test_convnext"))
    with pytest.raises(DataError, match=r"model\.safetensors does not fit test_resnet: .*Missing key"):
        timm_model(info(classes=7), model="test_resnet", pretrained=path)


def test_a_file_that_is_missing_damaged_or_no_weights_is_refused(info, tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        timm_model(info(), model="test_resnet", pretrained=tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r'"weights\.txt" names no file of weights'):
        timm_model(info(), model="test_resnet", pretrained=tmp_path / "weights.txt")
    (tmp_path / "damaged.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match="no readable file of weights"):
        timm_model(info(), model="test_resnet", pretrained=tmp_path / "damaged.safetensors")


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("code of the file",)


def test_a_file_never_runs_code(info, tmp_path, capsys):
    (tmp_path / "hostile.pth").write_bytes(pickle.dumps({"state_dict": Hostile()}))
    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.pt")
    for name in ("hostile.pth", "hostile.pt"):
        with pytest.raises(DataError, match="no readable file of weights"):
            timm_model(info(), model="test_resnet", pretrained=tmp_path / name)
    assert "code of the file" not in capsys.readouterr().out


def test_published_weights_that_cannot_be_had_say_what_to_do(info):
    with pytest.raises(
        DataError, match=r'huggingface\.co/timm/test_resnet.*Without a network, give "pretrained"'
    ):
        timm_model(info(), model="test_resnet", pretrained=True)


def test_pretrained_is_refused_where_timm_publishes_no_weights(info):
    with pytest.raises(ValueError, match="pretrained: timm publishes no weights for efficientnet_lite1"):
        timm_model(info(), model="efficientnet_lite1", pretrained=True)
