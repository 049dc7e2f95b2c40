"""What is asked of every provider: docstring, settings, and that it can be built."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from imgfw.contract.errors import PluginError
from imgfw.testing.subject import Subject

_NOT_FROM_STRINGS = (int, float, bool, type(None), list, tuple, dict, set, frozenset)
_UNKNOWN_SETTING = "no_such_setting"


def docstring(subject: Subject) -> None:
    """It has a docstring of its own, with a first line that describes it."""
    own = subject.provider.factory.__doc__  # not that of a base class
    subject.expect(
        bool(own and own.strip()),
        "it has no docstring. Its first line is what `imgfw list` shows: write one sentence.",
    )
    first = inspect.cleandoc(own or "").split("\n", 1)[0].strip()
    subject.expect(
        len(first.split()) > 1 or subject.provider.name not in first.lower(),
        f"the first line of its docstring, {first!r}, only repeats its name. Say what it does.",
    )


def settings(subject: Subject) -> None:
    """The schema of its settings builds, is strict, and comes back from JSON."""
    provider = subject.provider
    try:
        schema = provider.settings_model
    except PluginError as error:
        raise subject.fail(str(error)) from error
    for model in _models_in([field.annotation for field in schema.model_fields.values()]):
        subject.expect(
            model.model_config.get("extra") == "forbid" and bool(model.model_config.get("strict")),
            f"{model.__name__}, the type of a setting, lets unknown keys or wrong types pass. "
            "Derive it from imgfw.Settings.",
        )
    example = _example(subject)
    known = subject.settings if example is None else example
    _expect_refused(subject, {**known, _UNKNOWN_SETTING: 1}, "an unknown setting is accepted")
    for name, field in schema.model_fields.items():
        if not _takes_strings(field.annotation):
            message = f'the setting {name} takes "7", a string, for {_shown(field.annotation)}'
            _expect_refused(subject, {**known, name: "7"}, message)
    if example is not None:
        _round_trip(subject, example)


def _example(subject: Subject) -> Mapping[str, Any] | None:
    """The settings that it is tried with; None for a dataset whose settings the author makes elsewhere."""
    required = [
        name
        for name in subject.provider.setting_names
        if subject.provider.parameters[name].default is inspect.Parameter.empty
    ]
    missing = [name for name in required if name not in subject.settings]
    subject.expect(
        not missing,
        f"the setting {', '.join(missing)} has no default, and there is no example to try it with. "
        f'State one: @imgfw.about(example={{"{(missing or [""])[0]}": …}}).',
    )
    return subject.settings


def _expect_refused(subject: Subject, given: Mapping[str, Any], message: str) -> None:
    values, problems = subject.provider.validate(_as_json(given), "settings")
    subject.expect(
        values is None and bool(problems),
        f"{message}. A misspelt recipe would train with something else: use plain types, and "
        "imgfw.Settings for those with structure.",
    )


def _round_trip(subject: Subject, example: Mapping[str, Any]) -> None:
    """What a recipe says, written into recipe.resolved.json with every default, means the same again."""
    values, problems = subject.provider.validate(_as_json(example), "settings")
    wrong = "; ".join(str(problem) for problem in problems)
    subject.expect(values is not None, f"its example is refused: {wrong}")
    assert values is not None
    with subject.attempt("its settings cannot be written as JSON", "Use types that JSON has, or Path."):
        written = json.loads(json.dumps(values.model_dump(mode="json"), allow_nan=False))
    again, problems = subject.provider.validate(written, "settings")
    wrong = "; ".join(str(problem) for problem in problems)
    hint = "A run that was stopped could not be resumed: make each default a value that its type allows."
    subject.expect(again is not None, f"its settings with their defaults are refused ({wrong}). {hint}")
    assert again is not None
    subject.expect(
        again.model_dump(mode="json") == written,
        f"its settings change when they are written as JSON and read again: {written} becomes "
        f"{again.model_dump(mode='json')}.",
    )


def _as_json(given: Mapping[str, Any]) -> Any:
    """Settings as a recipe would hold them: paths as strings, tuples as lists."""
    return json.loads(json.dumps(dict(given), default=str))


def _takes_strings(annotation: Any) -> bool:
    """Whether a string may be a value of a type, as far as that is known."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _takes_strings(arguments[0])
    if origin is typing.Union or origin is types.UnionType:
        return any(_takes_strings(argument) for argument in arguments)
    kind = origin or annotation
    return not (inspect.isclass(kind) and (kind in _NOT_FROM_STRINGS or issubclass(kind, BaseModel)))


def _models_in(annotations: list[Any]) -> Iterator[type[BaseModel]]:
    for annotation in annotations:
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            yield annotation
            yield from _models_in([field.annotation for field in annotation.model_fields.values()])
        yield from _models_in(list(typing.get_args(annotation)))


def _shown(annotation: Any) -> str:
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation)


def builds(subject: Subject) -> None:
    """It can be built, and is what its hook asks for."""
    from imgfw.testing.samples import info_of

    task = subject.tasks[0] if subject.tasks else "classification"
    if subject.provider.kind.name == "models":
        from imgfw.testing.models import build_model

        built: Any = build_model(subject, task)[0]
    else:
        built = subject.build(info_of(task))
    wanted = _wanted(subject.provider.kind.name)
    names = " or ".join(item.__name__ for item in wanted)
    subject.expect(isinstance(built, wanted), f"it returns {type(built).__name__}, not a {names}.")


def _wanted(kind: str) -> tuple[Any, ...]:
    """What a provider of a kind returns."""
    import torch
    from torchmetrics import Metric

    from imgfw.contract.callback import Callback
    from imgfw.contract.dataset import Splits
    from imgfw.contract.task import Task
    from imgfw.contract.transform import Transform

    return {
        "models": (torch.nn.Module,),
        "optimizers": (torch.optim.Optimizer,),
        "metrics": (Metric,),
        "callbacks": (Callback,),
        "datasets": (Splits,),
        "tasks": (Task,),
        "schedulers": (torch.optim.lr_scheduler.LRScheduler,),
        "transforms": (Transform, Callable),
        "losses": (Callable,),
    }[kind]
