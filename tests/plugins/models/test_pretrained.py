from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from urllib.error import URLError
from urllib.request import OpenerDirector

import pytest
import torch
from imgfw import DataError
from imgfw_plugins.datasets import downloads as published_files
from imgfw_plugins.models.classification import fold_input_scaling, keep_own_classifier
from safetensors.torch import save_file
from torchvision import models
from torchvision.models import Inception3


@pytest.fixture
def trained(build, info) -> dict[str, torch.Tensor]:
    """The state of a resnet18 that knows four classes."""
    return build("resnet18", info(classes=4)).state_dict()


@pytest.fixture
def downloads(monkeypatch, tmp_path) -> dict[str, dict[str, torch.Tensor]]:
    """Stands in for the network: state dicts by the beginning of their file's name."""
    files: dict[str, dict[str, torch.Tensor]] = {}

    def fetch(urls, target, checksum, *, max_bytes):
        [url] = urls
        assert checksum == f"sha256:{target.stem.rpartition('-')[2]}" and len(checksum) == 15
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            next(state for name, state in files.items() if url.rpartition("/")[2].startswith(name)), target
        )

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(published_files, "fetch", fetch)
    return files


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_safetensors_file_is_loaded(trained, build, info, tmp_path):
    save_file(trained, tmp_path / "w.safetensors")
    model = build("resnet18", info(classes=4), pretrained=tmp_path / "w.safetensors")
    assert same(model.state_dict(), trained)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"model": {f"_orig_mod.module.{key}": value for key, value in state.items()}},
    ],
    ids=["plain", "state_dict", "model", "parallel", "compiled"],
)
def test_a_torch_file_is_loaded_however_it_is_wrapped(wrap, trained, build, info, tmp_path):
    path = tmp_path / "w.pt"
    torch.save(wrap(trained), path)
    assert same(build("resnet18", info(classes=4), pretrained=path).state_dict(), trained)


def test_a_head_of_another_number_of_classes_is_the_only_thing_skipped(trained, build, info, tmp_path):
    save_file(trained, tmp_path / "w.safetensors")
    state = build("resnet18", info(classes=7), pretrained=tmp_path / "w.safetensors").state_dict()
    assert state["fc.weight"].shape == (7, 512)
    assert all(torch.equal(state[key], trained[key]) for key in trained if not key.startswith("fc."))


def test_weights_that_do_not_fit_are_refused_with_everything_that_is_wrong(trained, build, info, tmp_path):
    wrong = {**trained, "extra.weight": torch.zeros(1), "conv1.weight": torch.zeros(64, 3, 5, 5)}
    del wrong["bn1.weight"]
    save_file(wrong, tmp_path / "w.safetensors")
    with pytest.raises(DataError) as error:
        build("resnet18", info(classes=4), pretrained=tmp_path / "w.safetensors")
    assert "1 missing: bn1.weight" in str(error.value)
    assert "1 not in the model: extra.weight" in str(error.value)
    assert "conv1.weight (file 64x3x5x5, model 64x3x7x7)" in str(error.value)


def test_a_missing_head_is_not_skipped(trained, build, info, tmp_path):
    del trained["fc.bias"]
    save_file(trained, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"1 missing: fc\.bias"):
        build("resnet18", info(classes=4), pretrained=tmp_path / "w.safetensors")


def test_a_head_with_other_inputs_is_not_skipped(trained, build, info, tmp_path):
    trained["fc.weight"] = torch.zeros(9, 100)
    save_file(trained, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"fc\.weight \(file 9x100, model 4x512\)"):
        build("resnet18", info(classes=4), pretrained=tmp_path / "w.safetensors")


def test_batch_counters_may_be_missing(trained, build, info, tmp_path):
    old = {key: value for key, value in trained.items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "w.pth")
    assert same(build("resnet18", info(classes=4), pretrained=tmp_path / "w.pth").state_dict(), trained)


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize(
    "save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))]
)
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(save, build, tmp_path):
    marker, path = tmp_path / "it-ran", tmp_path / "w.pth"
    save({"state_dict": Malicious(marker)}, path)
    with pytest.raises(DataError, match="Python objects besides tensors"):
        build("resnet18", pretrained=path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_damaged_file_is_named(name, build, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match=f"{name} "):
        build("resnet18", pretrained=tmp_path / name)


def test_a_packed_file_is_refused_before_it_is_unpacked(trained, build, tmp_path):
    torch.save(trained, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert torch.load(tmp_path / "w.pth", weights_only=True).keys() == trained.keys()
    with pytest.raises(DataError, match=r"w\.pth is larger unpacked than it is"):
        build("resnet18", pretrained=tmp_path / "w.pth")


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(build, tmp_path):
    torch.save({"fc.weight": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"the tensor fc\.weight claims more values than the file holds"):
        build("resnet18", pretrained=tmp_path / "w.pth")


def safetensors(header: object, content: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 200_000_000) + b"{}",
        safetensors({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}),
        safetensors({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}}, bytes(16)),
        safetensors({"a": {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]}}),
        safetensors({n: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for n in "ab"}, bytes(16)),
        safetensors([[]]),
    ],
    ids=["empty", "endless", "long", "short", "overflow", "overflow of none", "shared", "no header"],
)
def test_a_safetensors_file_that_lies_is_refused(content, build, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"w\.safetensors is no readable safetensors file"):
        build("resnet18", pretrained=tmp_path / "w.safetensors")


def test_a_file_without_a_state_dict_is_refused(build, tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="holds no state dict"):
        build("resnet18", pretrained=tmp_path / "w.pth")


def test_a_missing_file_is_named(build, tmp_path):
    with pytest.raises(DataError, match=r"there is no weights file .*gone\.pth"):
        build("resnet18", pretrained=tmp_path / "gone.pth")


def test_an_unknown_weights_name_is_answered_with_the_known_ones(build, tmp_path):
    with pytest.raises(
        ValueError, match='"IMAGENET1K_V9" names no weights; give one of IMAGENET1K_V1, IMAGENET1K_V2'
    ):
        build("resnet50", pretrained=tmp_path / "IMAGENET1K_V9")


def test_a_failed_download_says_which_file_to_put_where(build, monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(OpenerDirector, "open", fail)
    with pytest.raises(DataError, match="no network") as error:
        build("resnet18", pretrained=True)
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in str(error.value)


def test_a_weights_name_chooses_the_file(build, info, downloads):
    for prefix in ("mobilenet_v3_large-8738ca79", "mobilenet_v3_large-5c1a4163"):
        downloads[prefix] = build("mobilenet_v3_large", info(classes=1000)).state_dict()
    first, second = downloads.values()
    for choice, expected in ((True, second), ("IMAGENET1K_V1", first), ("IMAGENET1K_V2", second)):
        state = build("mobilenet_v3_large", pretrained=choice).state_dict()
        assert torch.equal(state["features.0.0.weight"], expected["features.0.0.weight"])


def test_small_input_and_published_weights_of_another_stem_are_refused(build):
    with pytest.raises(ValueError, match="another stem than its published weights"):
        build("resnet18", pretrained=True, small_input=True)


def test_own_weights_of_a_small_input_model_are_loaded(build, tmp_path):
    state = build("resnet18", small_input=True).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    loaded = build("resnet18", small_input=True, pretrained=tmp_path / "w.safetensors")
    assert same(loaded.state_dict(), state)


def test_rgb_weights_answer_to_grey_images_as_before(trained, build, info, tmp_path):
    save_file(trained, tmp_path / "w.safetensors")
    rgb = build("resnet18", info(classes=4), pretrained=tmp_path / "w.safetensors").eval()
    grey = build("resnet18", info(classes=4, channels=1), pretrained=tmp_path / "w.safetensors").eval()
    images = torch.rand(2, 1, 40, 40)
    torch.testing.assert_close(grey(images), rgb(images.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


def test_rgb_weights_are_repeated_over_more_channels(trained, build, info, tmp_path):
    save_file(trained, tmp_path / "w.safetensors")
    model = build("resnet18", info(classes=4, channels=4), pretrained=tmp_path / "w.safetensors")
    expected = trained["conv1.weight"][:, [0, 1, 2, 0]] * 0.75
    torch.testing.assert_close(model.conv1.weight.detach(), expected)


def test_position_embeddings_are_interpolated_to_the_images_size(build, info, tmp_path, small_vit):
    torch.save(build("vit_b_16", info(size=(32, 32))).state_dict(), tmp_path / "w.pth")
    model = build("vit_b_16", info(size=(64, 64)), pretrained=tmp_path / "w.pth")
    assert model.encoder.pos_embedding.shape[1] == 1 + 4 * 4


@pytest.fixture
def small_vit(monkeypatch) -> None:
    """Makes vit_b_16 a transformer of two narrow layers, which builds at once."""
    from torchvision.models.vision_transformer import VisionTransformer

    def vit_b_16(*, weights, num_classes, image_size, dropout, attention_dropout):
        return VisionTransformer(image_size, 16, 2, 2, 16, 32, num_classes=num_classes)

    get_model = models.get_model
    monkeypatch.setattr(
        models,
        "get_model",
        lambda name, **kw: vit_b_16(**kw) if name == "vit_b_16" else get_model(name, **kw),
    )


def test_names_of_old_densenet_files_are_understood(build, info, downloads):
    state = build("densenet121", info(classes=1000)).state_dict()
    old = OrderedDict()
    for key, value in state.items():
        parts = key.split(".")
        if len(parts) == 5 and parts[2].startswith("denselayer"):
            parts[3] = f"{parts[3][:-1]}.{parts[3][-1]}"
        old[".".join(parts)] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    downloads["densenet121"] = old
    loaded = build("densenet121", info(classes=1000), pretrained=True).state_dict()
    assert same(loaded, state)


def test_the_input_scaling_of_inception_is_folded_exactly():
    theirs = Inception3(num_classes=3, transform_input=True, init_weights=False).eval()
    ours = Inception3(num_classes=3, transform_input=False, init_weights=False).eval()
    state = theirs.state_dict()
    fold_input_scaling(state, "Conv2d_1a_3x3")
    ours.load_state_dict(state)
    images = torch.randn(1, 3, 80, 80)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-3, atol=1e-4)


def test_features_only_weights_leave_the_classifier_as_it_was():
    model = torch.nn.ModuleDict({"features": torch.nn.Linear(2, 2), "classifier": torch.nn.Linear(2, 2)})
    own = {key: value.clone() for key, value in model.state_dict().items()}
    state = {key: torch.full_like(value, torch.nan) for key, value in own.items()}
    keep_own_classifier(model, state)
    assert torch.equal(state["classifier.weight"], own["classifier.weight"])
    assert state["features.weight"].isnan().all()
