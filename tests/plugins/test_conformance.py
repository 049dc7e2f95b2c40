"""Every built-in passes the conformance kit, as any plugin can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from imgfw import testing
from PIL import Image

TRAINED_HERE = {
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "fcos_resnet18_fpn",
    "googlenet",
    "lraspp_mobilenet_v3_large",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnet9",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "unet",
}
"""The models that are built and trained for a step: the lightest, of every way in which they are made. The
others come from the same tables, and would take minutes; their settings and docstrings are checked too."""

FILES = "its files are not here; its own tests read files that are made for them"


def image_folder(folder: Path) -> dict[str, Any]:
    for number, name in enumerate(("cat", "dog")):
        (folder / name).mkdir()
        for index in range(3):
            colour = (60 * number, 40 * index, 200)
            Image.new("RGB", (12 + index, 10), colour).save(folder / name / f"{index}.png")
    return {"root": str(folder)}


def image_mask_folder(folder: Path) -> dict[str, Any]:
    for part, mode in (("images", "RGB"), ("masks", "L")):
        (folder / part).mkdir()
        for index in range(3):
            Image.new(mode, (12, 10), index % 2).save(folder / part / f"{index}.png")
    return {"root": str(folder), "classes": ["background", "road"]}


def coco_detection(folder: Path) -> dict[str, Any]:
    images = [
        {"id": index, "file_name": f"{index}.png", "height": 10, "width": 12 + index} for index in range(3)
    ]
    for image in images:
        Image.new("RGB", (image["width"], 10)).save(folder / image["file_name"])
    boxes = [{"id": 0, "image_id": 0, "category_id": 7, "bbox": [1, 2, 5, 6]}]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 7, "name": "cat"}]}
    (folder / "annotations.json").write_text(json.dumps(content))
    return {"train_images": str(folder), "train_annotations": str(folder / "annotations.json")}


CASES = testing.cases(
    "imgfw",
    skip=dict.fromkeys(("cifar10", "cifar100", "mnist", "fashion_mnist"), FILES),
    settings={
        "image_folder": image_folder,
        "image_mask_folder": image_mask_folder,
        "coco_detection": coco_detection,
        "shapes": {"num_train": 8, "num_val": 2, "num_test": 2, "image_size": 16},
        "resnet9": {"width": 4},
        "unet": {"width": 4, "depth": 2},
    },
)


def is_run(case: testing.Case) -> bool:
    """All but the heavy cases of the models that are too many."""
    provider = case.provider
    is_model = provider is not None and provider.kind.name == "models"
    return not is_model or case.check in ("docstring", "settings") or provider.name in TRAINED_HERE


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread is fastest for work as small as this."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES if is_run(case)])
def test_conformance(case: testing.Case, tmp_path: Path) -> None:
    case.run(tmp_path)
