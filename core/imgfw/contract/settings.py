"""Types for settings."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le, Len, Lt
from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A setting with structure of its own; validated like the provider's settings, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class MonitorName:
    """Marks a setting as the name of something measured, which `imgfw check` can then verify."""


Monitor = Annotated[str, MonitorName()]
"""A setting that names a measured value, as `val/accuracy`."""

__all__ = ["Ge", "Gt", "Interval", "Le", "Len", "Lt", "Monitor", "MonitorName", "Settings"]
