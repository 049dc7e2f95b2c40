"""What a recipe may hold. Settings of components are checked against their providers, in `resolving`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from imgfw.contract.component import KIND_KEYWORD, ComponentSpec

DEFAULT_EPOCHS = 10
MAX_EPOCHS = 1_000_000
MAX_STEPS = 1_000_000_000_000
MAX_BATCH_SIZE = 1_000_000
MAX_WORKERS = 1024
MAX_PREFETCH = 1024
"""Beyond what any training needs, and short of what would take the machine's memory."""

DEFAULT_TYPES = {"optimizers": "adamw", "schedulers": "constant"}
"""What a recipe gets that names no component of the kind, or gives it settings but no `type`."""


def _of(kind: str) -> PlainValidator:
    def parse(value: Any) -> ComponentSpec:
        if kind in DEFAULT_TYPES and isinstance(value, dict) and "type" not in value:
            value = {"type": DEFAULT_TYPES[kind], **value}
        return ComponentSpec.parse(kind, value)

    return PlainValidator(parse)


def _marked(kind: str) -> WithJsonSchema:
    return WithJsonSchema({KIND_KEYWORD: kind})


def _default(kind: str) -> ComponentSpec:
    return ComponentSpec(kind, DEFAULT_TYPES[kind])


def _like(pattern: str, wording: str) -> AfterValidator:
    """A pattern that is described in words to whoever misses it."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"should be {wording}")
        return value

    return AfterValidator(check)


_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME_WORDING = 'up to 100 letters, digits, ".", "_" and "-", and begin with a letter or a digit'
RunName = Annotated[
    str, _like(_NAME, _NAME_WORDING), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})
]

_DEVICE = r"(auto|cpu|cuda(:\d+)?|mps)"
_DEVICE_WORDING = '"auto", "cpu", "cuda", "cuda:0" and so on, or "mps"'
Device = Annotated[
    str, _like(_DEVICE, _DEVICE_WORDING), WithJsonSchema({"type": "string", "pattern": f"^{_DEVICE}$"})
]

DataSpec = Annotated[ComponentSpec, _of("datasets"), _marked("datasets")]
TaskSpec = Annotated[ComponentSpec, _of("tasks"), _marked("tasks")]
TransformSpec = Annotated[ComponentSpec, _of("transforms"), _marked("transforms")]
ModelSpec = Annotated[ComponentSpec, _of("models"), _marked("models")]
LossSpec = Annotated[ComponentSpec, _of("losses"), _marked("losses")]
OptimizerSpec = Annotated[ComponentSpec, _of("optimizers"), _marked("optimizers")]
SchedulerSpec = Annotated[ComponentSpec, _of("schedulers"), _marked("schedulers")]
MetricSpec = Annotated[ComponentSpec, _of("metrics"), _marked("metrics")]
CallbackSpec = Annotated[ComponentSpec, _of("callbacks"), _marked("callbacks")]


class Section(BaseModel):
    """Base of the recipe's parts: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class SplitSection(Section):
    """How a missing validation or test split is cut from the training data."""

    val_fraction: Annotated[float, Interval(ge=0, lt=1)] = Field(
        0.1, description="share of the training data for validation, where the dataset has no val split"
    )
    test_fraction: Annotated[float, Interval(ge=0, lt=1)] = Field(
        0.0, description="share of the training data for the test, where the dataset has no test split"
    )
    stratified: bool = Field(True, description="keep the share of each class, where the dataset tells labels")


class LoaderSection(Section):
    """How samples become batches."""

    batch_size: Annotated[int, Interval(ge=1, le=MAX_BATCH_SIZE)] = Field(
        64, description="samples of one optimizer step, over all processes and micro-batches"
    )
    num_workers: Annotated[int, Interval(ge=0, le=MAX_WORKERS)] | Literal["auto"] = Field(
        "auto", description="processes that read and augment; auto: none for data in memory, else one a core"
    )
    drop_last: bool = Field(
        False,
        description="leave out an epoch's last batch when it is not full (always when it is one sample)",
    )
    eval_batch_size: Annotated[int, Interval(ge=1, le=MAX_BATCH_SIZE)] | None = Field(
        None, description="samples of one evaluation batch over all processes; null: batch_size"
    )
    prefetch: Annotated[int, Interval(ge=1, le=MAX_PREFETCH)] = Field(
        2, description="batches that each worker prepares ahead"
    )
    decode: Literal["cpu", "device"] = Field(
        "cpu",
        description="where JPEGs are decoded: in the workers, or whole batches of them where the model is, "
        'which takes `pip install "imgfw[nvjpeg]"`',
    )
    cache: Literal["none", "ram", "disk"] = Field(
        "none",
        description="keep images as they are before the first random transform: in memory for the run, or in "
        "files for later runs too",
    )
    cache_dir: str | None = Field(
        None,
        description="folder of the files, relative to the working folder; null: $IMGFW_CACHE, or imgfw in "
        "the user's cache folder",
    )
    cache_gib: Annotated[float, Gt(0)] | None = Field(
        None,
        description="most GiB that kept images may take; null: half of the memory, or of the free disk",
    )


class TransformSection(Section):
    """The transforms of the training data, and those of validation, test and prediction."""

    train: list[TransformSpec] = Field(default_factory=list, description="in the order of work")
    eval: list[TransformSpec] = Field(default_factory=list, description="in the order of work")
    warp: Literal["each", "opencv"] = Field(
        "each",
        description="crops, resizings, flips and rotations of single samples: each alone, or those in a row "
        'as one resampling with OpenCV, which takes `pip install "imgfw[fast]"`',
    )


class TrainSection(Section):
    """The training loop."""

    epochs: Annotated[int, Interval(ge=1, le=MAX_EPOCHS)] | None = Field(
        None, description=f"passes over the training data ({DEFAULT_EPOCHS})"
    )
    steps: Annotated[int, Interval(ge=1, le=MAX_STEPS)] | None = Field(
        None, description="optimizer steps, instead of epochs"
    )
    device: Device = Field("auto", description="auto: a GPU where there is one, else the CPU")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 where the device has it and the model gains from it, else fp32"
    )
    channels_last: bool | Literal["auto"] = Field(
        "auto", description="memory format of images; auto: channels last for models with convolutions"
    )
    compile: bool | Literal["reduce-overhead", "max-autotune"] = Field(
        False,
        description="compile the model with torch.compile; its modes replay CUDA graphs on a GPU",
    )
    activation_checkpointing: bool = Field(
        False, description="compute the model's blocks again in the backward pass: less memory, more time"
    )
    clip_grad_norm: Annotated[float, Gt(0)] | None = Field(None, description="largest norm of the gradients")
    non_finite: Literal["stop", "skip"] = Field(
        "stop", description="a step whose loss or gradients are not finite: stop, or leave the step out"
    )
    max_skipped_steps: Annotated[int, Ge(0)] = Field(
        10, description="steps that non_finite skip may leave out in a run"
    )
    on_out_of_memory: Literal["error", "split"] = Field(
        "error",
        description="a step that does not fit: stop, or do it again in smaller micro-batches, and go on so",
    )
    ema_decay: Annotated[float, Interval(gt=0, lt=1)] | None = Field(
        None,
        description="decay a step of a moving average of the weights, which is then what is evaluated, kept "
        "and predicted with; null: none",
    )
    accumulate: Annotated[int, Ge(1)] = Field(1, description="micro-batches that one batch is cut into")
    log_every: Annotated[int, Ge(1)] = Field(100, description="steps between two reports of the loss")

    @model_validator(mode="before")
    @classmethod
    def _set_length(cls, given: Any) -> Any:
        """A training without a length takes `DEFAULT_EPOCHS`."""
        if isinstance(given, dict) and given.get("epochs") is None and given.get("steps") is None:
            return {**given, "epochs": DEFAULT_EPOCHS}
        return given


class CheckpointSection(Section):
    """What is saved, and what counts as best."""

    monitor: str | None = Field(None, description="what best goes by; null: the task's first metric")
    mode: Literal["min", "max"] | None = Field(None, description="null: what the metric says of itself")
    every: Annotated[int, Ge(1)] = Field(1, description="epochs between two checkpoints")
    every_steps: Annotated[int, Ge(1)] | None = Field(
        None, description="steps between two checkpoints within an epoch; null: none"
    )
    every_minutes: Annotated[float, Gt(0)] | None = Field(
        10, description="minutes after the last checkpoint until one within an epoch; null: none"
    )
    keep: Annotated[int, Ge(1)] = Field(2, description="newest checkpoints kept, besides the best")


class Recipe(Section):
    """A recipe, version 1."""

    schema_: str | None = Field(None, alias="$schema", description="where an editor finds the JSON Schema")
    version: Literal[1] = Field(1, description="version of the recipe format")
    name: RunName | None = Field(None, description="name of the run's folder; null: the recipe's file name")
    seed: Annotated[int, Interval(ge=0, lt=2**63)] = Field(0, description="of everything random")
    plugins: list[str] = Field(
        default_factory=list, description='plugins it needs: "./my_model.py", "imgfw-plugin-x>=0.2"'
    )
    resolved_with: dict[str, str] = Field(
        default_factory=dict, description="versions of the plugins that resolved it (written by imgfw)"
    )
    data: DataSpec = Field(description="the dataset")
    task: TaskSpec | None = Field(None, description="null: what the dataset says")
    split: SplitSection = SplitSection()
    bad_data: Literal["error", "skip"] = Field(
        "error",
        description="a sample that cannot be used: stop, or leave it out and list it in quarantine.csv",
    )
    max_bad_fraction: Annotated[float, Interval(ge=0, le=1)] = Field(
        0.05, description="share of a split's samples that may be left out; one always may"
    )
    loader: LoaderSection = LoaderSection()
    transforms: TransformSection = TransformSection()
    model: ModelSpec = Field(description="the model")
    loss: LossSpec | None = Field(None, description="null: the task's default")
    optimizer: OptimizerSpec = Field(_default("optimizers"), description="the optimizer")
    scheduler: SchedulerSpec = Field(_default("schedulers"), description="the schedule")
    metrics: list[MetricSpec] | None = Field(None, description="null: the task's default")
    callbacks: list[CallbackSpec] = Field(default_factory=list, description="called in this order")
    train: TrainSection = TrainSection()
    checkpoint: CheckpointSection = CheckpointSection()
    output_dir: str = Field("runs", description="where run folders are made, relative to the working folder")


SECTIONS: dict[str, type[Section]] = {
    "split": SplitSection,
    "loader": LoaderSection,
    "transforms": TransformSection,
    "train": TrainSection,
    "checkpoint": CheckpointSection,
}
"""The recipe's parts that are neither plain values nor components."""


class ModelCore(Section):
    """Settings of every model that the core reads."""

    freeze: Literal["backbone"] | list[str] | None = Field(
        None, description='parameters that are not trained: "backbone" (all but the head) or name patterns'
    )


class OptimizerCore(Section):
    """Settings of every optimizer that the core reads."""

    decay_norm_and_bias: bool = Field(
        True, description="whether weight decay applies to norms' weights and to biases"
    )


class SchedulerCore(Section):
    """Settings of every scheduler that the core reads: warm-up multiplies whatever the schedule says."""

    warmup_epochs: Annotated[float, Interval(ge=0, le=MAX_EPOCHS)] = Field(
        0, description="epochs of linear warm-up"
    )
    warmup_steps: Annotated[int, Interval(ge=0, le=MAX_STEPS)] | None = Field(
        None, description="the same in steps"
    )
    warmup_factor: Annotated[float, Interval(ge=0, le=1)] = Field(
        0.01, description="the multiplier at the first step"
    )


CORE_SETTINGS: dict[str, type[Section]] = {
    "models": ModelCore,
    "optimizers": OptimizerCore,
    "schedulers": SchedulerCore,
}
"""The core's own settings, by the kind of component that they stand in."""
