"""The page of the hooks: complete, true to the specifications, and its examples train."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import imgfw
import pytest
import torch
from imgfw.contract import hooks
from imgfw.contract.kinds import KINDS, Kind

from tests.docs.pages import DOCS, blocks_of

PAGE = DOCS / "hooks.md"
SECTIONS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def test_the_headings_are_the_hooks_with_their_signatures():
    signatures = []
    for kind in KINDS.values():
        signature = inspect.signature(getattr(hooks, kind.hook))
        signatures.append(f"{kind.hook}{signature.replace(return_annotation=inspect.Signature.empty)}")
    assert [section.split("\n", 1)[0] for section in SECTIONS] == signatures


def test_every_specified_hook_is_of_a_kind():
    specified = {name for name, value in vars(hooks).items() if hasattr(value, "imgfw_spec")}
    assert specified == {kind.hook for kind in KINDS.values()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.hook)
def test_the_offered_parameters_are_those_that_imgfw_offers(kind: Kind):
    section = next(section for section in SECTIONS if section.startswith(f"{kind.hook}("))
    offered = next(line for line in section.splitlines() if line.startswith("Offered: "))
    assert offered == f"Offered: {', '.join(f'`{name}`' for name in kind.offered) or 'nothing'}"


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.hook for kind in KINDS.values()])
def test_the_example_trains_and_predicts(number: int, tmp_path: Path):
    kind = list(KINDS.values())[number]
    plugin = [block for block in blocks_of(PAGE) if block.language == "python"][number]
    part = [block for block in blocks_of(PAGE) if block.role == "part"][number]
    assert f"def {kind.hook}()" in plugin.text
    file = tmp_path / f"example_{kind.name}.py"
    file.write_text(plugin.text, encoding="utf-8")
    recipe = {
        "plugins": [str(file)],
        "data": "digits",
        "model": {"type": "resnet9", "width": 4},
        "train": {"steps": 3},
        "output_dir": str(tmp_path / "runs"),
        **json.loads(part.text),
    }
    result = imgfw.run(recipe, quiet=True)
    assert result.status == "completed"
    assert file.name in (result.folder / "recipe.resolved.json").read_text(encoding="utf-8")
    records = imgfw.load(result.folder).predict([torch.zeros(1, 8, 8, dtype=torch.uint8)])
    assert len(records) == 1
