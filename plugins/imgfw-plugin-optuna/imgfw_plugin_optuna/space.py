"""A search space: which settings of a recipe vary, and over what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import UsageError

if TYPE_CHECKING:
    import optuna

_RANGE_KEYS = {"low", "high", "log", "step"}
_OWN = ("name", "output_dir")
"""What every trial has of its own."""


@dataclass(frozen=True)
class Range:
    """Numbers from a least to a largest one; whole ones if both are."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, trial: optuna.Trial, path: str) -> str:
        """Let a trial choose; return the value as JSON text."""
        if self._whole:
            return json.dumps(trial.suggest_int(path, self.low, self.high, step=self.step or 1, log=self.log))
        return json.dumps(trial.suggest_float(path, self.low, self.high, step=self.step, log=self.log))

    @property
    def _whole(self) -> bool:
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    def stored_values(self) -> list[Any] | None:
        """All values; None if there is no end of them."""
        if self._whole:
            return list(range(self.low, self.high + 1, self.step or 1))
        if self.step is None:
            return None
        count = int((self.high - self.low) / self.step + 1e-8) + 1
        return [self.low + number * self.step for number in range(count)]

    def ends(self) -> list[str]:
        """The values to check a recipe with, as JSON text."""
        return [json.dumps(self.low), json.dumps(self.high)]


@dataclass(frozen=True)
class Choices:
    """A few values of any kind, whole components among them."""

    values: tuple[Any, ...]

    def suggest(self, trial: optuna.Trial, path: str) -> str:
        """Let a trial choose; return the value as JSON text."""
        texts = {_stored(value): json.dumps(value) for value in self.values}
        return texts[trial.suggest_categorical(path, list(texts))]

    def stored_values(self) -> list[Any]:
        """All values, as Optuna has them."""
        return [_stored(value) for value in self.values]

    def ends(self) -> list[str]:
        """The values to check a recipe with, as JSON text."""
        return [json.dumps(value) for value in self.values]


Space = Mapping[str, Range | Choices]


def _stored(value: Any) -> Any:
    """Optuna stores texts and numbers only; lists and objects become their JSON text."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def read_space(space: str | Path | Mapping[str, Any]) -> Space:
    """Read a search space from a JSON file, or take it as a dict.

    Raises:
        UsageError: the file cannot be read, or holds no search space; everything that is wrong with it.
    """
    if isinstance(space, Mapping):
        label, data = "the search space", space
    else:
        label, data = str(space), _parse(Path(space))
    if not isinstance(data, Mapping) or not data:
        raise UsageError(
            f"{label}: a search space is an object of paths in the recipe.",
            'For example: {"optimizer.lr": {"low": 1e-4, "high": 0.1, "log": true}}',
        )
    problems = [f"{path}: {problem}" for path, given in data.items() for problem in _problems(path, given)]
    if problems:
        raise UsageError("\n  ".join([f"The search space {label} is wrong:", *problems]))
    return {path: _read(given) for path, given in data.items()}


def _parse(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the search space {file}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"The search space {file} is not JSON: {error}.") from None


def _read(given: Mapping[str, Any]) -> Range | Choices:
    return Choices(tuple(given["choices"])) if "choices" in given else Range(**given)


def _problems(path: str, given: Any) -> Iterator[str]:
    if path.split(".")[0] in _OWN:
        yield "each trial has its own; it cannot be searched."
    elif not isinstance(given, Mapping):
        yield 'should be {"low": …, "high": …} or {"choices": […]}.'
    elif "choices" in given:
        yield from _choice_problems(given)
    else:
        yield from _range_problems(given)


def _choice_problems(given: Mapping[str, Any]) -> Iterator[str]:
    values = given["choices"]
    if set(given) != {"choices"}:
        yield '"choices" stands alone.'
    elif not isinstance(values, list) or not values:
        yield '"choices" should be a list of values.'
    elif len({json.dumps(_stored(value)) for value in values}) < len(values):
        yield "has a choice twice."
    elif len({_stored(value) for value in values}) < len(values):
        yield "has two choices that Optuna cannot tell apart, as 1 and true."


def _range_problems(given: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(set(given) - _RANGE_KEYS)
    if unknown:
        yield f'"{unknown[0]}" is not known; a range has "low", "high", "log" and "step".'
        return
    numbers = {key: given[key] for key in ("low", "high", "step") if key in given}
    wrong = [key for key, value in numbers.items() if not _is_number(value)]
    if not {"low", "high"} <= set(given) or wrong:
        yield '"low" and "high" should be numbers, and "step" too where there is one.'
    elif not given["low"] < given["high"]:
        yield '"low" should be less than "high".'
    elif not isinstance(given.get("log", False), bool):
        yield '"log" should be true or false.'
    elif given.get("log") and given["low"] <= 0:
        yield "a logarithmic range should begin above 0."
    elif given.get("log") and "step" in given:
        yield '"log" and "step" exclude each other.'
    elif given.get("step", 1) <= 0:
        yield '"step" should be greater than 0.'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
