"""Search the settings of an imgfw recipe with Optuna: the command `imgfw-optuna`, and `sweep` for programs.

It provides no component for recipes: a sweep runs a recipe, not the other way round. `OptunaPruning` is a
live callback, for `imgfw.run(..., callbacks=[OptunaPruning(trial, "val/accuracy")])` in studies of your own.
"""

from __future__ import annotations

from imgfw_plugin_optuna.pruning import OptunaPruning
from imgfw_plugin_optuna.sweep import SweepResult, sweep

__all__ = ["OptunaPruning", "SweepResult", "sweep"]
