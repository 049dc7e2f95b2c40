"""The built-in callbacks."""

from __future__ import annotations

from imgfw_plugins.callbacks.early_stopping import EarlyStopping
from imgfw_plugins.callbacks.stop_at import StopAt
from imgfw_plugins.callbacks.time_limit import TimeLimit

PROVIDERS = [EarlyStopping, StopAt, TimeLimit]
