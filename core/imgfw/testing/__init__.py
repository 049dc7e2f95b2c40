"""The conformance kit: what a plugin promises, as tests that its author runs.

    import imgfw.testing

    test_conformance = imgfw.testing.conformance("imgfw-plugin-tiny")

makes one pytest case for each provider of the plugin and each check that applies to it. Torch is imported
when a case runs, pytest when this package is imported; `import imgfw` imports neither.
"""

from __future__ import annotations

from imgfw.testing.case import Case, cases
from imgfw.testing.checks import CHECKS, Check
from imgfw.testing.conformance import conformance
from imgfw.testing.outcome import RunOutcome
from imgfw.testing.subject import Nonconformity

__all__ = ["CHECKS", "Case", "Check", "Nonconformity", "RunOutcome", "cases", "conformance"]
