"""The errors that imgfw shows to a person: one sentence with a way out, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgfw.contract.terminal import printable


class ImgfwError(Exception):
    """A failure that its reader can mend.

    What would steer a terminal in its sentences is escaped, since they quote recipes and files' names.

    Args:
        message: what is wrong and where, as a sentence.
        hint: what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(f"{self.message} {self.hint}" if hint else self.message)


class UsageError(ImgfwError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recipe.

    Attributes:
        path: where in the recipe, as `loss.terms[0].smooth`.
        message: what is wrong.
        hint: what to write instead, or how to find out.
        provider: the qualified name of the component concerned, as `imgfw/dice`.
    """

    path: str
    message: str
    hint: str = ""
    provider: str = ""

    def __str__(self) -> str:
        owner = f" ({self.provider})" if self.provider else ""
        hint = f" {self.hint}" if self.hint else ""
        return printable(f"{self.path or 'recipe'}{owner}: {self.message}{hint}")


class RecipeError(ImgfwError):
    """A recipe that cannot be run; `problems` holds everything that was found wrong with it."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], source: str = "the recipe") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count} in {source}:", *(f"  {problem}" for problem in self.problems)]))


class DataError(ImgfwError):
    """The data is missing, unreadable or contradicts its description."""

    exit_code = 3


class BadSampleError(DataError):
    """One sample cannot be used. A dataset raises it from `__getitem__`; the `bad_data` policy decides.

    Args:
        source: the file, or what else names the sample to its owner.
        reason: what is wrong with it.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}.")
        self.source = source
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadSampleError], tuple[str, str]]:
        return BadSampleError, (self.source, self.reason)


class PluginError(ImgfwError):
    """A plugin is broken, missing, or breaks the contract."""

    exit_code = 4


class DivergedError(ImgfwError):
    """Training produced a loss that is not finite."""

    exit_code = 5


class InterruptedRun(ImgfwError):
    """A signal ended the run after its state was saved."""

    def __init__(self, message: str, hint: str, signal_number: int) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number
