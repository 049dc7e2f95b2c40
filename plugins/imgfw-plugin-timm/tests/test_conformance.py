"""The plugin keeps what imgfw asks of every plugin."""

from __future__ import annotations

import imgfw.testing

test_conformance = imgfw.testing.conformance("imgfw-plugin-timm")
