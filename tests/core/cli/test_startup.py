"""What the command imports before it works: each import is a wait."""

from __future__ import annotations

import pytest

HEAVY = ("torch", "torchvision", "numpy", "PIL", "pydantic", "rich")


def imported_by(python, *words: str) -> tuple[set[str], str]:
    """The modules that a command imports, and what it prints."""
    code = (
        "import sys\nfrom imgfw.cli import main\n"
        f"sys.argv = {['imgfw', *words]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split()), done.stdout


def test_help_imports_only_what_it_prints_with(python):
    modules, text = imported_by(python, "--help")
    assert "list-plugins" in text
    assert modules.isdisjoint({*HEAVY, "pluggy", "entrypoints", "imgfw.engine", "imgfw.catalog"})


@pytest.mark.parametrize(("words", "shown"), [(("list-plugins",), "imgfw"), (("list", "models"), "resnet50")])
def test_listing_imports_no_torch_and_no_pydantic(python, words, shown):
    modules, text = imported_by(python, *words)
    assert shown in text
    assert modules.isdisjoint(HEAVY)


def test_checking_a_recipe_imports_no_torch(python, write_recipe):
    modules, text = imported_by(python, "check", str(write_recipe()))
    assert "is right" in text
    assert "torch" not in modules


def test_the_version_is_printed(imgfw):
    import imgfw as package

    assert imgfw("--version").stdout.split()[-1] == package.__version__


def test_help_lists_the_verbs_in_order_of_need(imgfw):
    text = imgfw("--help").stdout
    positions = [
        text.index(f"\n  {verb} ") for verb in ("run", "evaluate", "check", "list-plugins", "doctor")
    ]
    assert positions == sorted(positions)
