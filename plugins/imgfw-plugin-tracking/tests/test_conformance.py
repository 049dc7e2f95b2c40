"""What imgfw asks of every callback, asked of these."""

from __future__ import annotations

from imgfw.testing import conformance

from .conftest import MLFLOW_URI

test_conformance = conformance("imgfw-plugin-tracking", settings={"mlflow": {"tracking_uri": MLFLOW_URI}})
