"""Image classifiers of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import DataError, about

from imgfw_plugin_hf.source import check_source, one_line, unreachable

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import nn

Option = bool | int | float | str | list[int] | list[float] | list[str] | None


def find_head(model: nn.Module) -> tuple[str, ...]:
    """The prefixes of the names of all parameters outside the model's base, which is the backbone."""
    return tuple(f"{name}." for name, _ in model.named_children() if name != model.base_model_prefix)


@about(tasks=("classification", "multilabel"), head=find_head, example={"path": "microsoft/resnet-18"})
def hf_image_classifier(
    info: DatasetInfo,
    *,
    path: str | None = None,
    folder: Path | None = None,
    revision: str | None = None,
    pretrained: bool = False,
    options: dict[str, Option] | None = None,
) -> nn.Module:
    """An image classifier of transformers, from the Hub or a folder.

    Needs transformers: pip install "imgfw-plugin-hf[transformers]". Weights are read from safetensors only,
    and no code of the repository is run.

    Args:
        info: what is known of the data.
        path: the model on the Hub, as `microsoft/resnet-18`. Its configuration is downloaded once, into
            Hugging Face's cache, and is needed again to load a finished run.
        folder: a local model instead: what `save_pretrained` wrote; `config.json` is enough where
            `pretrained` is false.
        revision: the branch, tag or commit of the Hub's repository; null: the newest.
        pretrained: start from its weights. A head for another number of classes starts afresh.
        options: changes of the configuration, as `{"hidden_dropout_prob": 0.1}`.

    Takes float images `[B, C, H, W]` and returns logits `[B, num_classes]`. The state dict has transformers'
    own names.

    Raises:
        ValueError: for a configuration that is no image classifier's or lacks an option, and for images of
            another size or with other channels than pretrained weights are for.
        imgfw.DataError: for a model that cannot be had, or whose weights don't fit.
    """
    source = check_source(path, folder)
    config = _configuration(source, info, revision, pretrained, options or {})
    model = _pretrained(source, config, revision) if pretrained else _fresh(source, config)
    model.register_forward_hook(_logits)
    return model


def _logits(model: nn.Module, images: Any, outputs: Any) -> Any:
    """Return the logits alone; a hook, since a module around the model would change its parameters' names."""
    return outputs.logits


def _configuration(
    source: str, info: DatasetInfo, revision: str | None, pretrained: bool, options: dict[str, Option]
) -> Any:
    """The model's configuration, with the data's classes, channels and image size."""
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise DataError(
            "The package transformers is not installed.", 'pip install "imgfw-plugin-hf[transformers]"'
        ) from error

    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
    except OSError as error:
        raise unreachable("The model", source, error) from error
    for name, value in options.items():
        if not hasattr(config, name):
            raise ValueError(f"options: a configuration of {config.model_type} has no {name}")
        setattr(config, name, value)
    config.num_labels = info.num_classes
    config.id2label = dict(enumerate(info.classes))
    config.label2id = {name: index for index, name in enumerate(info.classes)}
    _set_channels(config, info, pretrained)
    _set_size(config, info, pretrained)
    return config


def _set_channels(config: Any, info: DatasetInfo, pretrained: bool) -> None:
    given = getattr(config, "num_channels", 3)
    if given == info.channels:
        return
    if pretrained or not hasattr(config, "num_channels"):
        raise ValueError(
            f"the model is for images of {given} channels, but the data has {info.channels}; set the "
            "channels of the data, where it has such a setting"
        )
    config.num_channels = info.channels


def _set_size(config: Any, info: DatasetInfo, pretrained: bool) -> None:
    """Make a model that is made for one image size for the data's."""
    if not isinstance(getattr(config, "image_size", None), int | list | tuple) or info.image_size is None:
        return
    given = config.image_size
    height, width = (given, given) if isinstance(given, int) else given
    if (height, width) == info.image_size:
        return
    if pretrained:
        raise ValueError(
            f"the weights are for images of {height}x{width} pixels, not of "
            f"{info.image_size[0]}x{info.image_size[1]}; add "
            f'{{"type": "resize", "size": [{height}, {width}]}} to the transforms'
        )
    if info.image_size[0] != info.image_size[1]:
        raise ValueError(f"the model needs square images, not {info.image_size[0]}x{info.image_size[1]}")
    config.image_size = info.image_size[0]


def _fresh(source: str, config: Any) -> nn.Module:
    from transformers import AutoModelForImageClassification

    try:
        return AutoModelForImageClassification.from_config(config)
    except Exception as error:  # constructors refuse configurations with every kind of exception
        raise ValueError(f"{source}: {one_line(error)}") from error


def _pretrained(source: str, config: Any, revision: str | None) -> nn.Module:
    from transformers import AutoModelForImageClassification

    try:
        model, loading = AutoModelForImageClassification.from_pretrained(
            source,
            config=config,
            revision=revision,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except OSError as error:
        raise unreachable("The weights of", source, error) from error
    except ValueError as error:
        raise ValueError(f"{source}: {one_line(error)}") from error
    head = find_head(model)
    absent = [*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])]
    wrong = sorted({key for key in absent if not key.startswith(head)})
    if wrong:
        raise DataError(
            f"The weights of {source} lack {len(wrong)} of the model's tensors, or have them in another "
            f"shape: {', '.join(wrong[:5])}.",
            'Use the configuration that they were trained with, without "options" that change sizes.',
        )
    return model
