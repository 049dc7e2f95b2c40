"""Every torchvision classification model by its own name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import about

from imgfw_plugins.models.families import FAMILIES, Family
from imgfw_plugins.models.provider import Setting, Share, make_provider, pretrained_setting

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor, nn

TASKS = ("classification", "multilabel")
_SMALL_INPUT = Setting(
    "small_input",
    bool,
    False,
    "leave out the first two halvings, for images of about 32x32; a 7x7 stem becomes a 3x3 one.",
)
_OPTIONS = {
    "attention_dropout": (Share, "share of attention weights dropped in training, 0 to 1."),
    "drop_rate": (Share, "share of activations dropped after each dense layer in training, 0 to 1."),
    "dropout": (
        Share,
        "share of activations dropped in training, in the layers torchvision puts it, 0 to 1.",
    ),
    "dropout_aux": (Share, "share of activations dropped in the auxiliary heads in training, 0 to 1."),
    "mlp_dropout": (Share, "share of activations dropped in the MLP blocks in training, 0 to 1."),
    "stochastic_depth_prob": (Share, "probability of skipping the last block in training, 0 to 1."),
    "zero_init_residual": (
        bool,
        "start every residual branch at zero, so that each block begins as identity.",
    ),
}
_SHAPES = "Takes float images `[B, C, H, W]` and returns logits `[B, num_classes]`"
_SIZE_NOTES = {
    "patch": "Images must be square, of one size, with a side that is a multiple of the patch size in the "
    "name; position embeddings of pretrained weights are interpolated to that size.",
    "window": "Images must be square, of one size, with a side that is a multiple of 224.",
}


def _provider(family: Family, name: str, weights: tuple[str, ...]) -> Callable[..., Any]:
    defaults = {**family.settings, **family.own_settings.get(name, {})}
    settings = [pretrained_setting(weights)]
    if family.small_input:
        settings.append(_SMALL_INPUT)
    settings += [Setting(key, *_option(key, default)) for key, default in defaults.items()]
    provider = make_provider(
        name=name,
        module=__name__,
        summary=f"The {family.title} image classifier `{name}` of torchvision ({family.paper}).",
        notes=_notes(family),
        settings=settings,
        build=partial(build_classifier, name, family, weights),
    )
    stated = about(tasks=TASKS, min_size=family.min_size, head=family.head, auxiliary=family.auxiliary)
    return stated(provider)


def _option(name: str, default: float | bool) -> tuple[Any, float | bool, str]:
    annotation, doc = _OPTIONS[name]
    return annotation, default, doc


def _notes(family: Family) -> list[str]:
    outputs = _SHAPES
    if family.auxiliary:
        weights = ", ".join(f"`{name}` ({weight})" for name, weight in family.auxiliary.items())
        outputs += f"; in training also auxiliary logits, with their weight in the loss: {weights}"
    notes = [outputs + "."]
    if family.image_size:
        notes.append(_SIZE_NOTES[family.image_size])
    if family.folds_input:
        notes.append(
            "The published weights want images in -1..1; that scaling is folded into their first layer, so "
            "that images are normalised with ImageNet's statistics as everywhere."
        )
    return notes


def build_classifier(
    name: str, family: Family, weights: tuple[str, ...], info: DatasetInfo, settings: dict[str, Any]
) -> nn.Module:
    """Build a torchvision classifier for the data's classes, channels and image size.

    Args:
        name: as torchvision calls it.
        family: its row of the table.
        weights: names of its published weights.
        info: what is known of the data.
        settings: a value for each of the provider's settings.

    Raises:
        ValueError: for settings, or an image size, that the model cannot have.
        imgfw.DataError: for weights that cannot be had or don't fit.
    """
    from torchvision import models

    from imgfw_plugins.models.stem import adapt_stem, keep_resolution
    from imgfw_plugins.models.weight_files import check_source

    pretrained, small_input = settings.pop("pretrained"), settings.pop("small_input", False)
    if isinstance(pretrained, Path):
        check_source("pretrained", pretrained, weights)
    size = _size_argument(name, family, info)
    model = models.get_model(
        name, weights=None, num_classes=info.num_classes, **family.constructor, **size, **settings
    )
    if small_input and keep_resolution(model, family.small_input) and isinstance(pretrained, bool | str):
        _refuse_published(name, pretrained)
    adapt_stem(model, info.channels)
    if pretrained is not False:
        _load(model, name, family, pretrained)
    return model


def _refuse_published(name: str, pretrained: bool | str) -> None:
    if pretrained is not False:
        raise ValueError(
            f"small_input gives {name} another stem than its published weights have; use one of the two: "
            f'"pretrained": false, or "small_input": false with images resized to about 224x224'
        )


def _size_argument(name: str, family: Family, info: DatasetInfo) -> dict[str, Any]:
    if not family.image_size or info.image_size is None:
        return {}
    height, width = info.image_size
    if family.image_size == "window":
        if height != width or height % 224:
            raise ValueError(
                f"{name} needs square images with a side that is a multiple of 224, not {height}x{width}"
            )
        return {"input_size": (height, width)}
    patch = int(name.rsplit("_", 1)[1])
    if height != width or height % patch:
        smaller = max(min(height, width) // patch, 1) * patch
        raise ValueError(
            f"{name} cuts square images into patches of {patch} pixels; {height}x{width} does not work, "
            f"{smaller}x{smaller} and {smaller + patch}x{smaller + patch} do"
        )
    return {"image_size": height}


def _load(model: nn.Module, name: str, family: Family, pretrained: bool | str | Path) -> None:
    from imgfw_plugins.models.published import read_or_download
    from imgfw_plugins.models.stem import adapt_stem_weights
    from imgfw_plugins.models.weight_loading import load_weights

    state, source = read_or_download(name, pretrained)
    if family.folds_input and not isinstance(pretrained, Path):
        fold_input_scaling(state, family.folds_input)
    for old, new in family.old_names:
        _rename(state, old, new)
    adapt_stem_weights(model, state)
    if "encoder.pos_embedding" in state and family.image_size == "patch":
        from torchvision.models.vision_transformer import interpolate_embeddings

        interpolate_embeddings(model.image_size, model.patch_size, state)
    if pretrained == "IMAGENET1K_FEATURES":
        keep_own_classifier(model, state)
    load_weights(model, state, head=family.head, source=source)


def _rename(state: dict[str, Tensor], pattern: str, replacement: str) -> None:
    for name in list(state):
        state[re.sub(pattern, replacement, name)] = state.pop(name)


def keep_own_classifier(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Let a classifier start as it is: torchvision's features-only weights hold no numbers for it.

    Args:
        model: it keeps its classifier.
        state: weights, changed in place.
    """
    state.update({name: own for name, own in model.state_dict().items() if name.startswith("classifier.")})


def fold_input_scaling(state: dict[str, Tensor], unit: str) -> None:
    """Fold the change from ImageNet's normalisation to -1..1 into a convolution and the norm behind it.

    torchvision does it to the image (`transform_input`), which a state dict doesn't tell and other than three
    channels don't allow. Exact but for the zeros that pad the image.

    Args:
        state: weights, changed in place.
        unit: prefix of the convolution (`.conv`) and its batch norm (`.bn`).
    """
    import torch

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    kernels = state[f"{unit}.conv.weight"]
    offset = (kernels * ((mean - 0.5) / 0.5).view(1, -1, 1, 1)).sum(dim=(1, 2, 3))
    state[f"{unit}.conv.weight"] = kernels * (std / 0.5).view(1, -1, 1, 1)
    state[f"{unit}.bn.running_mean"] = state[f"{unit}.bn.running_mean"] - offset


PROVIDERS = [
    _provider(family, name, weights) for family in FAMILIES for name, weights in family.members.items()
]
globals().update({provider.__name__: provider for provider in PROVIDERS})
