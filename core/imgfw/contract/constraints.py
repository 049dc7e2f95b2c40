"""Constraints on settings, as types: `lr: Annotated[float, imgfw.Gt(0)]`. Importing them costs nothing."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le, Len, Lt


class MonitorName:
    """Marks a setting as the name of something measured, which `imgfw check` can then verify."""


Monitor = Annotated[str, MonitorName()]
"""A setting that names a measured value, as `val/accuracy`."""

__all__ = ["Ge", "Gt", "Interval", "Le", "Len", "Lt", "Monitor", "MonitorName"]
