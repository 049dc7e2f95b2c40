"""The house of the design: who may import whom, what may import torch, and what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imgfw
import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "imgfw"
BUILTINS = ROOT / "plugins" / "imgfw_plugins"

FLOORS = ("contract", "catalog", "recipe", "engine", "cli", "testing")
"""From the ground up; a module imports from its own floor or from below. The kit for authors is on top."""

ALLOWED_TO_BUILTINS = {
    "PIL",
    "imgfw",
    "imgfw_plugins",
    "numpy",
    "pycocotools",
    "safetensors",
    "torch",
    "torchmetrics",
    "torchvision",
}


@dataclass(frozen=True)
class Import:
    """One import statement: what it names, and where it stands."""

    file: Path
    line: int
    module: str
    name: str
    when: str
    """`import`: with the module; `call`: in a function; `typing`: for type checkers only."""

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module} ({self.name})"


def modules(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py"))


def name_of(file: Path) -> str:
    """The dotted name of a module of the repository."""
    base = CORE.parent if CORE in file.parents else BUILTINS.parent
    parts = file.relative_to(base).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(file: Path) -> Iterator[Import]:
    yield from _walk(ast.parse(file.read_text(encoding="utf-8")), file, "import")


def _walk(node: ast.AST, file: Path, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(file, child.lineno, alias.name, "", when)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{file}:{child.lineno} imports relatively"
            for alias in child.names:
                yield Import(file, child.lineno, child.module or "", alias.name, when)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from _walk(ast.Module([part], []), file, "typing")
            for part in child.orelse:
                yield from _walk(ast.Module([part], []), file, when)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, file, "call" if inside and when == "import" else when)


def floor_of(module: str) -> str | None:
    """The floor of a module of the core, by its dotted name; None for the front door itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "imgfw" and len(parts) > 1 else None


def home_of(item: Import) -> str:
    """The module that an import really reaches: a public name is at home somewhere in the core."""
    if item.module == "imgfw" and item.name:
        return imgfw._HOME_OF.get(item.name, f"imgfw.{item.name}")
    return item.module


def test_a_module_of_the_core_imports_from_its_own_floor_or_from_below() -> None:
    """Whatever the import is for: with the module, in a function, or for type checkers."""
    upwards = []
    for file in modules(CORE):
        own = floor_of(name_of(file))
        if own not in FLOORS:
            continue  # the front door, which opens to all floors
        for item in imports_of(file):
            other = floor_of(home_of(item))
            if other in FLOORS and FLOORS.index(other) > FLOORS.index(own):
                upwards.append(str(item))
    assert upwards == []


def test_the_core_has_no_floor_but_those_of_the_design() -> None:
    folders = {path.name for path in CORE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(FLOORS)
    assert {path.name for path in CORE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_core_never_imports_the_builtins() -> None:
    found = [
        str(item) for file in modules(CORE) for item in imports_of(file) if "imgfw_plugins" in item.module
    ]
    assert found == []


def test_builtins_import_only_public_names_and_a_few_libraries() -> None:
    wrong = []
    for file in modules(BUILTINS):
        for item in imports_of(file):
            top = item.module.partition(".")[0]
            if top in sys.stdlib_module_names:
                continue
            private = top == "imgfw" and (item.module != "imgfw" or item.name not in imgfw.__all__)
            if top not in ALLOWED_TO_BUILTINS or private:
                wrong.append(str(item))
    assert wrong == []


def test_only_the_engine_and_the_kit_need_torch_to_be_imported() -> None:
    """The contract and the commands may name it for type checkers, and import it where they use it."""
    wrong = []
    for file in modules(CORE):
        floor = floor_of(name_of(file))
        for item in imports_of(file):
            torch = item.module.partition(".")[0] in ("torch", "torchvision", "torchmetrics")
            lazy = floor in ("contract", "cli") and item.when != "import"
            if torch and floor not in ("engine", "testing") and not lazy:
                wrong.append(str(item))
    assert wrong == []


def test_no_module_imports_relatively_or_everything_of_another() -> None:
    stars = [
        str(item)
        for folder in (CORE, BUILTINS)
        for file in modules(folder)
        for item in imports_of(file)
        if item.name == "*"
    ]
    assert stars == []


def test_every_module_can_be_imported_first() -> None:
    """One process imports each alone, forgetting our packages in between; torch is loaded once."""
    files = [*modules(CORE), *modules(BUILTINS)]
    names = [name_of(file) for file in files if file.name != "__main__.py"]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for loaded in [m for m in sys.modules if m.partition('.')[0] in ('imgfw', 'imgfw_plugins')]:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_finding_and_listing_plugins_imports_neither_torch_nor_pydantic() -> None:
    code = (
        "import sys\n"
        "from imgfw.catalog.catalog import Catalog\n"
        "from imgfw.catalog.selection import Selection\n"
        "plugin = Catalog(Selection(only=frozenset())).builtin\n"
        "assert plugin.providers['models']\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'pydantic') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_kit_is_imported_without_torch_and_not_with_imgfw() -> None:
    code = (
        "import sys, imgfw\n"
        "print([name for name in ('pytest', 'imgfw.testing') if name in sys.modules])\n"
        "from imgfw import testing\n"
        "import imgfw.testing.fixtures\n"
        "assert len(testing.cases('imgfw')) > 100\n"
        "print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_only_the_kit_imports_pytest() -> None:
    found = {
        floor_of(name_of(file))
        for folder in (CORE, BUILTINS)
        for file in modules(folder)
        for item in imports_of(file)
        if item.module.partition(".")[0] == "pytest"
    }
    assert found == {"testing"}


def test_a_recipe_is_resolved_without_torch() -> None:
    code = (
        "import sys\n"
        "from imgfw.catalog.catalog import Catalog\n"
        "from imgfw.catalog.selection import Selection\n"
        "from imgfw.recipe.checking import check\n"
        "from imgfw.recipe.reading import read_recipe\n"
        "catalog = Catalog(Selection(only=frozenset()))\n"
        "check(read_recipe({'data': 'digits', 'model': 'resnet9'}), catalog)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_public_is_listed_and_can_be_imported() -> None:
    listed = set(imgfw.__all__) - {"__version__"}
    assert listed == set(imgfw._HOME_OF)
    assert [name for name in listed if not hasattr(imgfw, name)] == []


def test_type_checkers_see_the_public_names_that_are_loaded_lazily() -> None:
    seen = {item.name for item in imports_of(CORE / "__init__.py") if item.when == "typing"}
    assert seen - {"Any"} == set(imgfw._HOME_OF)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'imgfw' has no attribute 'resnet'"):
        imgfw.resnet  # noqa: B018
