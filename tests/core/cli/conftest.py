"""Running the command, and plugins to run it with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest
from imgfw.cli import application

Result = click.testing.Result

TINY_PLUGIN = '''
from __future__ import annotations
from imgfw import hookimpl

def tinynet(info, *, width: int = 4):
    """A two-layer network."""
    from torch import nn
    return nn.Sequential(nn.Conv2d(info.channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(width, info.num_classes))

def pixelnet(info):
    """A network of one pixel."""
    from torch import nn
    return nn.Conv2d(info.channels, info.num_classes, 1)

@hookimpl
def imgfw_models():
    return [tinynet, pixelnet]
'''


@pytest.fixture(autouse=True)
def plain_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without what the caller's environment says."""
    for name in ("IMGFW_PLUGINS", "IMGFW_DEBUG", "IMGFW_SAID", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def imgfw() -> Callable[..., Result]:
    """Run the command in this process: `imgfw("check", "recipe.json")`."""

    def run(*words: str | Path, **options: Any) -> Result:
        return click.testing.CliRunner().invoke(application, [str(word) for word in words], **options)

    return run


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in a process of its own, with the test's folder on its path."""

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"} | variables
        return subprocess.run(
            [sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, text=True
        )

    return run


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Install a plugin for this test, as pip would: `install("imgfw-plugin-x", code)`."""
    monkeypatch.syspath_prepend(tmp_path)
    installed: list[str] = []

    def write(distribution: str, code: str) -> None:
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        metadata = tmp_path / f"{module}-0.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
        (metadata / "entry_points.txt").write_text(f"[imgfw]\nplugin = {module}\n")
        installed.append(module)

    yield write
    for module in installed:
        sys.modules.pop(module, None)


def model_plugin(name: str = "hello_net") -> str:
    """The code of a plugin with one model."""
    return (
        "from imgfw import hookimpl\n"
        f'def {name}(info, *, width: int = 8):\n    """A network that says hello."""\n'
        f"@hookimpl\ndef imgfw_models():\n    return [{name}]\n"
    )


@pytest.fixture
def good_plugin() -> str:
    """The code of a plugin that provides the model `hello_net`."""
    return model_plugin()


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe that is right, with changes."""

    def write(name: str = "recipe.json", **changes: Any) -> Path:
        recipe = {"data": "digits", "model": "resnet18"} | changes
        (tmp_path / name).write_text(json.dumps(recipe))
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def tiny_plugin_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local plugin with two networks that train in no time."""
    file = tmp_path_factory.mktemp("local") / "tiny_networks.py"
    file.write_text(TINY_PLUGIN)
    return file


@pytest.fixture(scope="session")
def train(tiny_plugin_file: Path) -> Callable[..., Path]:
    """Train a tiny recipe for two steps through the command; returns the run's folder."""

    def run(**changes: Any) -> Path:
        folder = tiny_plugin_file.parent
        recipe = {
            "name": changes["model"],
            "plugins": [f"./{tiny_plugin_file.name}"],
            "transforms": {"train": ["to_float"], "eval": ["to_float"]},
            "train": {"steps": 2, "device": "cpu"},
            "output_dir": str(folder / "runs"),
        }
        file = folder / f"{changes['model']}.json"
        file.write_text(json.dumps(recipe | changes))
        result = click.testing.CliRunner().invoke(application, ["--quiet", "run", str(file)])
        assert result.exit_code == 0, result.output
        return Path(result.stdout.strip())

    return run


@pytest.fixture(scope="session")
def classifier_run(train: Callable[..., Path]) -> Path:
    """A finished run of a classifier of digits."""
    return train(model="tinynet", data="digits")


@pytest.fixture(scope="session")
def segmenter_run(train: Callable[..., Path]) -> Path:
    """A finished run of a segmentation of shapes."""
    return train(
        model="pixelnet",
        data={
            "type": "shapes",
            "task": "segmentation",
            "image_size": 32,
            "num_train": 64,
            "num_val": 16,
            "num_test": 16,
        },
        loss="cross_entropy",
    )
