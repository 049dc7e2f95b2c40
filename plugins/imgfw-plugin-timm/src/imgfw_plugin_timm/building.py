"""Calling timm to make a model, with errors that say what to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import DataError

from imgfw_plugin_timm.names import classifier_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfw import DatasetInfo
    from torch import Tensor, nn

_LONGEST = 400
_NO_OPTIONS = (
    "cache_dir",
    "checkpoint_path",
    "features_only",
    "in_chans",
    "num_classes",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
)
"""Arguments that follow from the data or from other settings, or that would read files."""


def arguments_for(
    info: DatasetInfo, config: Any, options: Mapping[str, Any], **chosen: Any
) -> dict[str, Any]:
    """The arguments that every model gets, and those of the settings that were given.

    Raises:
        ValueError: the setting `options` holds what is not an option of the architecture.
    """
    for name in options:
        if name in _NO_OPTIONS:
            raise ValueError(f"options: {name} is not the recipe's to say here; remove it")
    arguments = {"in_chans": info.channels, **options}
    if config.fixed_input_size and info.image_size is not None:
        arguments.setdefault("img_size", info.image_size)
    return arguments | {name: item for name, item in chosen.items() if item is not None}


def create(name: str, **arguments: Any) -> nn.Module:
    """Make a model without weights.

    Raises:
        ValueError: timm refuses the arguments.
    """
    import timm

    try:
        return timm.create_model(name, **arguments)
    except Exception as error:  # constructors refuse their arguments with every kind of exception
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        reason = _shortened(error) or type(error).__name__
        raise ValueError(f"timm cannot make {name} with {given}: {reason}") from error


def create_pretrained(name: str, config: Any, **arguments: Any) -> nn.Module:
    """Make a model with the weights that timm publishes, from its cache or the network.

    Raises:
        ValueError: there are none, or timm refuses the arguments.
        imgfw.DataError: they cannot be had.
    """
    import timm

    if not config.has_weights:
        raise ValueError(f"pretrained: timm publishes no weights for {name}; set it to false, or to a file")
    try:
        return timm.create_model(name, pretrained=True, **arguments)
    except OSError as error:
        source = f"huggingface.co/{config.hf_hub_id}" if config.hf_hub_id else config.url
        raise DataError(
            f"The weights of {name} cannot be had from {source}: {_shortened(error)}.",
            'Without a network, give "pretrained" the path of a .safetensors file, or copy the Hugging Face '
            "cache of a machine that has them.",
        ) from error
    except Exception as error:  # as in `create`
        raise ValueError(f"timm cannot make {name} with these settings: {_shortened(error)}") from error


def create_from_file(
    name: str, config: Any, state: Mapping[str, Tensor], path: Path, **arguments: Any
) -> nn.Module:
    """Make a model with the weights of a file.

    timm adapts kernels to other channels and position embeddings to other image sizes. What does not fit is
    an error, except where the model is made for another number of classes than the file's.

    Args:
        name: of the model.
        config: what timm knows of it.
        state: what the file holds.
        path: the file.
        arguments: of the model's constructor.

    Raises:
        ValueError: timm refuses the arguments.
        imgfw.DataError: the file is not of this model.
    """
    import timm

    overlay = {
        "file": str(path),
        "input_size": (_channels(state, config), *config.input_size[1:]),
        "num_classes": classes_in(state, config),
        "custom_load": False,
        "label_offset": 0,
    }
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except RuntimeError as error:
        raise DataError(
            f"{path} does not fit {name}: {_shortened(error)}.",
            "Use weights of this very model, with the settings that they were trained with.",
        ) from error
    except Exception as error:  # as in `create`
        raise ValueError(f"timm cannot make {name} with these settings: {_shortened(error)}") from error


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a file of weights.

    Raises:
        ValueError: it is not called like one.
        imgfw.DataError: it is missing or cannot be read.
    """
    from timm.models import load_state_dict

    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ValueError(f'pretrained: "{path.name}" names no file of weights (.safetensors, .pth, .pt)')
    try:
        return load_state_dict(str(path))
    except FileNotFoundError:
        hint = "Paths in a recipe are relative to the recipe's folder."
        raise DataError(f"pretrained: there is no file {path}.", hint) from None
    except Exception as error:  # readers meet damaged files with every kind of exception
        raise DataError(f"{path} is no readable file of weights: {_shortened(error)}.") from error


def classes_in(state: Mapping[str, Tensor], config: Any) -> int:
    """The number of classes of a file's head; 0 if it has none."""
    heads = [state.get(f"{name}.weight") for name in classifier_names(config.classifier)]
    return next((weight.shape[0] for weight in heads if weight is not None), 0)


def _channels(state: Mapping[str, Tensor], config: Any) -> int:
    """The channels of the images that a file's weights are for."""
    first = (
        config.first_conv if isinstance(config.first_conv, str) else next(iter(config.first_conv or ()), "")
    )
    kernels = state.get(f"{first}.weight")
    return kernels.shape[1] if kernels is not None and kernels.ndim == 4 else config.input_size[0]


def _shortened(error: Exception) -> str:
    """What an error says, in one line of a length that can be read."""
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
