"""imgfw trains image models from one recipe file; every part is a plugin.

Everything public is a name of this package. Each is imported when it is first used, so that a command that
lists plugins pays for neither torch nor pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfw.contract.about import About, about
    from imgfw.contract.callback import Best, Callback, EvalBatch, Plan, Run
    from imgfw.contract.component import Dataset, Loss, Metric, Model, Optimizer, Scheduler
    from imgfw.contract.constraints import Ge, Gt, Interval, Le, Len, Lt, Monitor
    from imgfw.contract.dataset import (
        ChannelStatistics,
        DatasetDescription,
        DatasetInfo,
        InMemory,
        MapDataset,
        Splits,
    )
    from imgfw.contract.errors import (
        BadSampleError,
        DataError,
        DivergedError,
        ImgfwError,
        InterruptedRun,
        PluginError,
        RecipeError,
        UsageError,
    )
    from imgfw.contract.hooks import hookimpl
    from imgfw.contract.loss import MixedTargets, Weighted
    from imgfw.contract.random import Keys
    from imgfw.contract.settings import Settings
    from imgfw.contract.task import Task
    from imgfw.contract.transform import Transform, Warp
    from imgfw.contract.weight_names import without_wrappers
    from imgfw.engine.input.images import read_image, read_mask
    from imgfw.engine.predictor import Predictor, load
    from imgfw.engine.runs import resume, run
    from imgfw.engine.session import RunResult
    from imgfw.recipe.report import RecipeReport, check

_HOMES = {
    "imgfw.contract.about": ("About", "about"),
    "imgfw.contract.callback": ("Best", "Callback", "EvalBatch", "Plan", "Run"),
    "imgfw.contract.component": ("Dataset", "Loss", "Metric", "Model", "Optimizer", "Scheduler"),
    "imgfw.contract.constraints": ("Ge", "Gt", "Interval", "Le", "Len", "Lt", "Monitor"),
    "imgfw.contract.dataset": (
        "ChannelStatistics",
        "DatasetDescription",
        "DatasetInfo",
        "InMemory",
        "MapDataset",
        "Splits",
    ),
    "imgfw.contract.errors": (
        "BadSampleError",
        "DataError",
        "DivergedError",
        "ImgfwError",
        "InterruptedRun",
        "PluginError",
        "RecipeError",
        "UsageError",
    ),
    "imgfw.contract.hooks": ("hookimpl",),
    "imgfw.contract.loss": ("MixedTargets", "Weighted"),
    "imgfw.contract.random": ("Keys",),
    "imgfw.contract.settings": ("Settings",),
    "imgfw.contract.task": ("Task",),
    "imgfw.contract.transform": ("Transform", "Warp"),
    "imgfw.contract.weight_names": ("without_wrappers",),
    "imgfw.engine.input.images": ("read_image", "read_mask"),
    "imgfw.engine.predictor": ("Predictor", "load"),
    "imgfw.engine.runs": ("resume", "run"),
    "imgfw.engine.session": ("RunResult",),
    "imgfw.recipe.report": ("RecipeReport", "check"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
"""The version of imgfw."""

__all__ = [
    "About",
    "BadSampleError",
    "Best",
    "Callback",
    "ChannelStatistics",
    "DataError",
    "Dataset",
    "DatasetDescription",
    "DatasetInfo",
    "DivergedError",
    "EvalBatch",
    "Ge",
    "Gt",
    "ImgfwError",
    "InMemory",
    "InterruptedRun",
    "Interval",
    "Keys",
    "Le",
    "Len",
    "Loss",
    "Lt",
    "MapDataset",
    "Metric",
    "MixedTargets",
    "Model",
    "Monitor",
    "Optimizer",
    "Plan",
    "PluginError",
    "Predictor",
    "RecipeError",
    "RecipeReport",
    "Run",
    "RunResult",
    "Scheduler",
    "Settings",
    "Splits",
    "Task",
    "Transform",
    "UsageError",
    "Warp",
    "Weighted",
    "__version__",
    "about",
    "check",
    "hookimpl",
    "load",
    "read_image",
    "read_mask",
    "resume",
    "run",
    "without_wrappers",
]


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'imgfw' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
