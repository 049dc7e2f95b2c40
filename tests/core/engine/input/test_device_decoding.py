"""Images decoded where the model is come out as those that the workers decode."""

from __future__ import annotations

import copy
import io
import sys
from typing import Any

import imgfw
import numpy as np
import pytest
import torch
from imgfw import BadSampleError, DataError, DatasetInfo, InterruptedRun, RecipeError, UsageError
from imgfw.contract.random import Keys
from imgfw.engine import runs
from imgfw.engine.input import device_decoding
from imgfw.engine.input.coded import CodedImage
from imgfw.engine.input.decoding import Lead
from imgfw.engine.input.images import read_image
from imgfw.engine.input.loading import Feeder, Fetcher
from imgfw.engine.input.pipeline import Pipeline, _in_batches_of_one, _on_each
from imgfw.engine.input.splits import SplitView
from imgfw_plugins.datasets.image_folder import image_folder
from imgfw_plugins.tasks import PROVIDERS as TASKS
from imgfw_plugins.transforms import (
    CenterCrop,
    ColorJitter,
    GaussianBlur,
    Mixup,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
)
from PIL import Image
from torchvision import tv_tensors

from tests.core.engine.conftest import CLASSIFICATION, DETECTION, fingerprint

try:
    import torchcodec.decoders  # noqa: F401
except (ImportError, OSError, RuntimeError) as error:  # it is missing, or was built for another torch
    pytest.skip(f"needs torchcodec: {error}", allow_module_level=True)

CPU = torch.device("cpu")
INFO = DatasetInfo(task="classification", classes=("class0", "class1", "class2"))
TASK = next(task for task in TASKS if task.__name__ == "Classification")(INFO)

LISTS = {
    "random resized crop": lambda: [RandomResizedCrop(size=56), RandomHorizontalFlip()],
    "resize and centre": lambda: [Resize(size=60), CenterCrop(INFO, size=56)],
    "colours first": lambda: [ColorJitter(INFO, brightness=0.5), RandomResizedCrop(size=56)],
    "mixed": lambda: [RandomResizedCrop(size=56), Mixup(alpha=0.5)],
}

RECIPE: dict[str, Any] = {
    **CLASSIFICATION,
    "split": {"val_fraction": 0.2, "test_fraction": 0.2},
    "transforms": {
        "train": [
            {"type": "random_resized_crop", "size": 16},
            "random_horizontal_flip",
            "normalize",
            {"type": "mixup", "alpha": 0.2},
        ],
        "eval": [{"type": "resize", "size": 20}, {"type": "center_crop", "size": 16}, "normalize"],
    },
    "loader": {"batch_size": 8, "num_workers": 0},
    "train": {**CLASSIFICATION["train"], "epochs": 2},
    "callbacks": [],
}
ON_DEVICE = {"loader.decode": "device"}


@pytest.fixture
def root(tmp_path):
    """JPEGs of several sizes, too small to be decoded smaller, and some PNGs, in folders by class."""
    generator = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "photos" / f"class{number % 3}" / f"{number}.{'png' if number % 7 == 3 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = generator.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(small).resize((60 + 3 * number, 130), Image.Resampling.BICUBIC).save(path)
    return tmp_path / "photos"


@pytest.fixture
def view(root):
    return SplitView("train", image_folder(root=root).train)


@pytest.fixture
def recipe(root):
    return {**copy.deepcopy(RECIPE), "data": {"type": "image_folder", "root": str(root)}}


def spoil(path):
    """Make a JPEG's Huffman codes impossible, its header and its end left as they were."""
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc4") + 5
    content[at : at + 16] = b"\xff" * 16
    path.write_bytes(content)


def fetched(view, transforms, defers):
    """A batch of all samples, and the pipeline."""
    pipeline = Pipeline(transforms, 3, False)
    return Fetcher(view, pipeline, TASK, False, defers)[0, list(range(len(view)))], pipeline


def decoded(view, transforms):
    raw, pipeline = fetched(view, transforms, True)
    assert raw.coded is not None
    return device_decoding.DeviceDecoder(pipeline, CPU).decode(raw)


def assert_alike(found, expected):
    for one, other in zip((found, *found.partners), (expected, *expected.partners), strict=True):
        assert list(one.indices) == list(other.indices) and one.coded is None
        assert torch.equal(one.images, other.images) and torch.equal(one.targets, other.targets)
    assert found.bad == expected.bad


@pytest.mark.parametrize("name", sorted(LISTS))
def test_images_that_are_not_reduced_keep_every_bit(name, view):
    assert_alike(decoded(view, LISTS[name]()), fetched(view, LISTS[name](), False)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_decodes_and_crops_alike(view):
    transforms = [*LISTS["colours first"](), RandomHorizontalFlip()]
    device = torch.device("cuda")
    raw, _ = fetched(view, transforms, True)
    pipeline = Pipeline(transforms, 3, False, device_type="cuda", one_size_from=2)
    found = device_decoding.DeviceDecoder(pipeline, device).decode(raw)
    feeder = Feeder(pipeline, device, torch.contiguous_format)
    expected = fetched(view, transforms, False)[0]
    off = (feeder.prepare(found).images.cpu() * 255 - expected.images.float()).abs()
    assert found.images.is_cuda and off.mean() < 2 and (off > 15).float().mean() < 0.02


@pytest.mark.parametrize("name", sorted(LISTS))
def test_bad_samples_and_bad_partners_are_left_out_alike(name, view, root):
    for number in (4, 7, 12):
        spoil(root / f"class{number % 3}" / f"{number}.jpg")
    expected = fetched(view, LISTS[name](), False)[0]
    assert {bad.source for bad in expected.bad} == {
        str(root / f"class{number % 3}" / f"{number}.jpg") for number in (4, 7, 12)
    }
    assert_alike(decoded(view, LISTS[name]()), expected)


def test_a_batch_of_bad_samples_alone_is_empty(view, root):
    for path in root.rglob("*.jpg"):
        spoil(path)
    only_jpegs = [place for place in range(len(view)) if view.source_of(place).endswith("jpg")]
    few = SplitView("train", view.dataset, torch.tensor(only_jpegs[:4]))
    raw = decoded(few, LISTS["mixed"]())
    assert (raw.indices, raw.images, len(raw.bad)) == ([], [], 4)


@pytest.mark.parametrize("name", ["random resized crop", "mixed"])
@pytest.mark.parametrize("in_background", [False, True])
def test_a_batch_that_memory_was_short_for_is_decoded_when_its_turn_comes(
    name, in_background, view, root, monkeypatch
):
    spoil(root / "class0" / "0.jpg")
    put_together, short = device_decoding.collate_images, [True]

    def collate(*given):
        if short:
            short.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return put_together(*given)

    results = []
    for fails in (False, True):
        coded, pipeline = fetched(view, LISTS[name](), True)
        if fails:
            monkeypatch.setattr(device_decoding, "collate_images", collate)
        decoder = device_decoding.DeviceDecoder(pipeline, CPU)
        feeder = Feeder(pipeline, CPU, torch.contiguous_format, decoder, in_background=True)
        ahead = feeder.ahead(iter([coded]))
        if in_background:
            feeder.begin_next()
        raw = next(iter(ahead))
        assert (raw.ready is None) == fails
        feeder.complete(raw)
        results.append((feeder.prepare(raw), [sample.source for sample in raw.bad]))
        feeder.close()
    assert not short
    (expected, bad), (found, bad_then) = results
    assert torch.equal(found.images, expected.images)
    assert bad_then == bad and len(bad) >= 1


def test_large_images_differ_by_the_filter_alone(tmp_path):
    for number in range(4):
        path = tmp_path / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        small = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=95)
    view = SplitView("train", image_folder(root=tmp_path).train)
    transforms = [Resize(size=60), CenterCrop(INFO, size=56)]
    off = decoded(view, transforms).images.float() - fetched(view, transforms, False)[0].images.float()
    assert 0 < off.abs().mean() < 1.5 and (off.abs() > 15).float().mean() < 0.02


def test_a_few_pixels_at_once_make_the_same(view, monkeypatch):
    expected = decoded(view, LISTS["mixed"]())
    monkeypatch.setattr(device_decoding, "_PIXELS_AT_ONCE", 20_000)
    assert len(list(device_decoding._parts([15_000, 5_000, 30_000, 1]))) == 3
    assert_alike(decoded(view, LISTS["mixed"]()), expected)


def test_what_the_device_refuses_is_decoded_on_the_host(view):
    raw, pipeline = fetched(view, LISTS["random resized crop"](), True)
    decoder = device_decoding.DeviceDecoder(pipeline, CPU)
    works, calls = decoder._decode, []

    def refusing(files):
        calls.append(len(files))
        if any(len(file) % 2 for file in files):
            raise RuntimeError("not supported")
        return works(files)

    decoder._decode = refusing
    assert any(length % 2 for length in raw.coded.lengths)
    num_coded = len(raw.coded.lengths)
    assert_alike(decoder.decode(raw), fetched(view, LISTS["random resized crop"](), False)[0])
    assert calls == [num_coded] + [1] * num_coded


@pytest.mark.parametrize(
    "transform",
    [ColorJitter(INFO, brightness=0.5, hue=0.2), GaussianBlur(kernel_size=3)],
    ids=["colour", "blur"],
)
def test_a_batch_of_one_is_a_sample(transform):
    image = tv_tensors.Image(torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8))
    for position in (0, 1):
        found, target = _in_batches_of_one(transform, Keys.of_samples(0, 1, [5, 9]), CPU)(
            position, (image.clone(), None)
        )
        expected, _ = _on_each(transform, Keys.of_samples(0, 1, [5, 9]))(position, (image, None))
        assert isinstance(found, tv_tensors.Image) and target is None
        assert (found.float() - expected.float()).abs().max() <= 1


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, **({"format": "JPEG"} | options))
    return file.getvalue()


def turned_on_its_side():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


GREY = Image.linear_gradient("L").resize((70, 50))
COLOURED = GREY.convert("RGB")
LEFT_TO_THE_HOST = {
    "grey": saved(GREY),
    "four inks": saved(GREY.convert("CMYK")),
    "coded as RGB": saved(COLOURED, keep_rgb=True),
    "on its side": saved(COLOURED, exif=turned_on_its_side()),
    "PNG": saved(COLOURED, format="PNG"),
    "more after its end": saved(COLOURED) + b"more",
}


@pytest.mark.parametrize("name", sorted(LEFT_TO_THE_HOST))
def test_what_decoders_may_not_agree_on_is_left_to_the_host(name):
    content = LEFT_TO_THE_HOST[name]
    found = read_image(content, least_size=Lead([], False, defers=True))
    assert torch.equal(found, read_image(content))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": Image.Exif()}, {"dpi": (72, 72)}])
def test_a_plain_file_is_handed_over_as_it_is(options):
    content = saved(COLOURED, **options)
    coded = read_image(content, name="it", least_size=Lead([], False, defers=True))
    assert coded == CodedImage(content, 70 * 50, "it")


def test_limits_hold_for_files_handed_over():
    lead = Lead([], False, defers=True)
    with pytest.raises(BadSampleError, match="more than the limit of 3,499"):
        read_image(saved(COLOURED), max_pixels=3499, least_size=lead)
    with pytest.raises(BadSampleError, match="truncated"):
        read_image(saved(COLOURED)[:-40], least_size=lead)


def test_a_run_ends_with_the_same_bits(train, recipe):
    plain = fingerprint(train(recipe, "plain").folder)
    for workers in (0, 2):
        found = train(recipe, "device", {**ON_DEVICE, "loader.num_workers": workers})
        assert fingerprint(found.folder) == plain, workers


def test_a_run_stopped_within_an_epoch_ends_like_one_that_was_not(train, recipe, stop_at):
    plain = fingerprint(train(recipe, "plain", ON_DEVICE).folder)
    stop_at(2)
    with pytest.raises(InterruptedRun) as interrupted:
        train(recipe, "stopped", ON_DEVICE)
    stop_at(0)
    folder = interrupted.value.hint.rpartition("--resume ")[2]
    assert fingerprint(runs.resume(folder, quiet=True).folder) == plain


def test_damaged_files_stop_a_run_or_are_left_out_and_listed(train, recipe, root):
    for number in (4, 8):
        spoil(root / f"class{number % 3}" / f"{number}.jpg")
    with pytest.raises(DataError, match=r"[48]\.jpg: cannot be decoded .*\"bad_data\": \"skip\""):
        train(recipe, "stopped", ON_DEVICE)
    skips = {"bad_data": "skip", "max_bad_fraction": 0.2}
    plain, found = train(recipe, "plain", skips), train(recipe, "device", {**skips, **ON_DEVICE})
    assert fingerprint(found.folder) == fingerprint(plain.folder)
    lists = [sorted((run.folder / "quarantine.csv").read_text().splitlines()) for run in (plain, found)]
    assert lists[0] == lists[1] and len(lists[0]) == 3


def test_data_in_memory_is_refused(train):
    with pytest.raises(RecipeError, match=r"loader\.decode.*digits does not read its images"):
        train(CLASSIFICATION, changes=ON_DEVICE)


def test_a_foreign_transform_is_refused(train, recipe, tmp_path):
    plugin = tmp_path / "foreign.py"
    plugin.write_text(
        "import imgfw\n\n"
        "def brighter(*, by: int = 3):\n"
        '    """Brighten images."""\n'
        "    return lambda image, target: (image + by, target)\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_transforms():\n"
        "    return [brighter]\n"
    )
    transforms = [{"type": "resize", "size": [16, 16]}, "brighter"]
    changes = {"plugins": [str(plugin)], "transforms.train": transforms, **ON_DEVICE}
    with pytest.raises(RecipeError, match=r"transforms\.train\[1\].*is no imgfw\.Transform"):
        train(recipe, changes=changes)


def test_targets_within_images_are_refused(train):
    with pytest.raises(RecipeError, match=r'loader\.decode: "device" is not for detection: its targets'):
        train(DETECTION, changes=ON_DEVICE)


def test_a_device_without_a_decoder_is_told(view):
    with pytest.raises(UsageError, match=r"torchcodec cannot decode on meta: .* Install a torchcodec"):
        device_decoding.DeviceDecoder(Pipeline([], 3, False), torch.device("meta"))


def test_a_result_predicts_without_it(train, recipe, root, monkeypatch):
    folder = train(recipe, changes={**ON_DEVICE, "train.epochs": 1}).folder
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    assert len(imgfw.load(folder).predict(sorted(root.rglob("*.jpg"))[:2])) == 2
