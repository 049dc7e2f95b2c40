"""What of a run goes to the Hub: a folder that `imgfw.load` takes, and a model card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfw import Run

_PIPELINES = {
    "classification": "image-classification",
    "multilabel": "image-classification",
    "segmentation": "image-segmentation",
    "detection": "object-detection",
}
_FILES = ("recipe.resolved.json", "metrics.csv")


def write_hub_folder(run: Run, folder: Path, repo_id: str, license: str | None) -> None:
    """Write the folder that is pushed: the best checkpoint, the resolved recipe, the metrics and a card.

    Args:
        run: a run that is over.
        folder: where; what is there is replaced.
        repo_id: the repository's name, for the card.
        license: the licence of the model, by the Hub's identifiers.
    """
    shutil.rmtree(folder, ignore_errors=True)
    checkpoints = run.folder / "checkpoints"
    best = next(place for place in (checkpoints / "best", checkpoints / "last") if place.exists())
    shutil.copytree(best.resolve(), folder / "checkpoints" / "best")
    for name in _FILES:
        shutil.copy2(run.folder / name, folder / name)
    (folder / "README.md").write_text(_card(run, repo_id, license), encoding="utf-8")


def _card(run: Run, repo_id: str, license: str | None) -> str:
    """The model card: the Hub's fields as YAML, and how to use the model."""
    from huggingface_hub import ModelCardData

    fields = ModelCardData(
        library_name="imgfw",
        license=license,
        model_name=repo_id.rpartition("/")[2],
        pipeline_tag=_PIPELINES.get(_name(run.recipe["task"])),
        tags=["imgfw", _name(run.recipe["task"]), _name(run.recipe["model"])],
        eval_results=_results(run) or None,
    )
    sections = [
        f"---\n{fields.to_yaml()}\n---",
        f"# {repo_id}",
        f"The {_name(run.recipe['model'])} that the run {run.name} of imgfw trained on "
        f"{_name(run.recipe['data'])}, for {run.info.num_classes} classes: {_listed(run.info.classes)}.",
        "## Use",
        _USE.format(repo_id=repo_id),
        "## Results",
        _table(run),
        "`recipe.resolved.json` holds every setting of the training, `metrics.csv` its course.",
    ]
    return "\n\n".join(sections) + "\n"


_USE = """```python
import imgfw
from huggingface_hub import snapshot_download

predictor = imgfw.load(snapshot_download("{repo_id}"))
print(predictor.predict(["image.jpg"]))
```"""


def _name(component: Any) -> str:
    """A component's bare name, as `resnet50` of `imgfw/resnet50`."""
    return (component if isinstance(component, str) else component["type"]).rpartition("/")[2]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:20])} and {len(names) - 20} more"


def _measured(run: Run) -> dict[str, float]:
    """What is known of the best model: its validation, and its test where there was one."""
    best = run.best.metrics if run.best else {}
    tested = {name: value for name, value in run.metrics.items() if name.startswith("test/")}
    return {name: value for name, value in {**best, **tested}.items() if not name.startswith("train/")}


def _table(run: Run) -> str:
    rows = [f"| {name} | {value:.4f} |" for name, value in _measured(run).items()]
    return "\n".join(["| Measured | Value |", "|---|---|", *rows])


def _results(run: Run) -> list[Any]:
    """The results as the Hub shows them."""
    from huggingface_hub import EvalResult

    task, data = _name(run.recipe["task"]), _name(run.recipe["data"])
    return [
        EvalResult(
            task_type=_PIPELINES.get(task, task),
            dataset_type=data,
            dataset_name=data,
            dataset_split="test" if name.startswith("test/") else "validation",
            metric_type=name.partition("/")[2],
            metric_value=value,
        )
        for name, value in _measured(run).items()
    ]
