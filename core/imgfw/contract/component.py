"""Components as settings: a provider annotates a setting with one of these to be given a built component.

    def weighted_sum(info, *, terms: list[imgfw.Loss]): ...

In the recipe the setting is a name or an object with `type`; the provider receives what it builds to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

KIND_KEYWORD = "x-imgfw-kind"
"""What marks the place of a component in a JSON Schema; the schema of recipes says what may stand there."""


@dataclass(frozen=True)
class ComponentSpec:
    """A component as the recipe names it: its kind, its name and its settings, nothing built yet."""

    kind: str
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, kind: str, value: Any) -> ComponentSpec:
        """Read `"name"` or `{"type": "name", ...}`.

        Raises:
            ValueError: for anything else.
        """
        if isinstance(value, ComponentSpec):
            return value
        if isinstance(value, str):
            return cls(kind, value)
        if isinstance(value, Mapping) and isinstance(value.get("type"), str):
            return cls(kind, value["type"], {key: item for key, item in value.items() if key != "type"})
        raise ValueError('should be a name, or an object with "type" and settings')


class Component:
    """Base of the annotations; a subclass names its kind."""

    kind: ClassVar[str]

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kind = kind

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        kind = cls.kind
        return core_schema.no_info_plain_validator_function(
            lambda value: ComponentSpec.parse(kind, value),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda spec: {"type": spec.type, **spec.settings}
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {KIND_KEYWORD: cls.kind}


if TYPE_CHECKING:
    from torch.nn import Module as Model
    from torch.optim import Optimizer as Optimizer
    from torch.optim.lr_scheduler import LRScheduler as Scheduler
    from torchmetrics import Metric as Metric

    from imgfw.contract.dataset import Splits as Dataset
else:

    class Model(Component, kind="models"):
        """A model as a setting."""

    class Optimizer(Component, kind="optimizers"):
        """An optimizer as a setting."""

    class Scheduler(Component, kind="schedulers"):
        """A learning-rate schedule as a setting."""

    class Metric(Component, kind="metrics"):
        """A metric as a setting."""

    class Dataset(Component, kind="datasets"):
        """A dataset as a setting: the provider receives its `Splits`."""


class Loss(Component, kind="losses"):
    """A loss as a setting: the provider receives a criterion `(outputs, targets) -> loss`."""

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Compute the loss; present for type checkers, any callable with these parameters will do."""
        raise TypeError("imgfw.Loss is an annotation, not a criterion")


__all__ = [
    "Component",
    "ComponentSpec",
    "Dataset",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Scheduler",
]
