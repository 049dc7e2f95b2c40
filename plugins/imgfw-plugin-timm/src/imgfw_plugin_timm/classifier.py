"""timm's classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import about

from imgfw_plugin_timm.names import check_model, classifier_names
from imgfw_plugin_timm.settings import Option, Share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfw import DatasetInfo
    from torch import nn


def find_head(model: nn.Module) -> tuple[str, ...]:
    """The prefixes of the names of the parameters that depend on the number of classes."""
    return tuple(f"{name}." for name in classifier_names(model.pretrained_cfg["classifier"]))


@about(tasks=("classification", "multilabel"), head=find_head, example={"model": "test_resnet"})
def timm_model(
    info: DatasetInfo,
    *,
    model: str,
    pretrained: bool | Path = False,
    drop_rate: Share | None = None,
    drop_path_rate: Share | None = None,
    options: dict[str, Option] | None = None,
) -> nn.Module:
    """Any image classifier of timm, by timm's name.

    https://huggingface.co/timm shows the models and their weights; `timm.list_models()` lists the names.

    Args:
        info: what is known of the data.
        model: the architecture, as `convnext_tiny`, or one with the tag of its weights, as
            `convnext_tiny.in12k_ft_in1k`.
        pretrained: weights to start from: true for those that timm publishes (of the tag, or its default), or
            a file of them or of an earlier run (.safetensors, .pth, .pt). Kernels are adapted to the data's
            channels and position embeddings to its image size. A head for other classes starts afresh.
        drop_rate: share of the features that is dropped before the classifier in training; null: the
            architecture's own.
        drop_path_rate: share of the residual branches that is skipped in training (stochastic depth, Huang et
            al. 2016, arXiv:1603.09382); null: the architecture's own. Not every architecture has it.
        options: further arguments of the architecture, as `{"global_pool": "max"}` or `{"patch_size": 4}`.

    Architectures that are made for one image size are made for the data's.

    Takes float images `[B, C, H, W]` and returns logits `[B, num_classes]`. Weights are published for images
    that were normalised in one of several ways: the transform `timm_normalize` knows which.

    Raises:
        ValueError: for a name that timm does not know, and for settings that the architecture does not have.
        imgfw.DataError: for weights that cannot be had or don't fit.
    """
    from imgfw_plugin_timm.building import arguments_for, create, create_pretrained

    config = check_model("model", model)
    chosen = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    arguments = arguments_for(info, config, options or {}, **chosen)
    if isinstance(pretrained, Path):
        return with_weights_of(pretrained, model, config, info.num_classes, arguments)
    if pretrained:
        return create_pretrained(model, config, num_classes=info.num_classes, **arguments)
    return create(model, num_classes=info.num_classes, **arguments)


def with_weights_of(
    path: Path, name: str, config: Any, num_classes: int, arguments: Mapping[str, Any]
) -> nn.Module:
    """Make a classifier with the weights of a file, and a fresh head where the file's has other classes.

    Raises:
        ValueError: for a name or arguments that timm does not know.
        imgfw.DataError: for a file that cannot be read or is of another model.
    """
    from imgfw_plugin_timm.building import classes_in, create_from_file, read_state

    state = read_state(path)
    classes = classes_in(state, config)
    model = create_from_file(name, config, state, path, num_classes=classes, **arguments)
    if classes != num_classes:
        model.reset_classifier(num_classes)
    return model
