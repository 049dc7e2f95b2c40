"""Types of settings that several providers have."""

from __future__ import annotations

from typing import Annotated

from imgfw import Ge, Lt

Share = Annotated[float, Ge(0), Lt(1)]
NotNegative = Annotated[float, Ge(0)]
Option = bool | int | float | str | list[int] | list[float] | None
"""A further argument of one of timm's constructors."""
