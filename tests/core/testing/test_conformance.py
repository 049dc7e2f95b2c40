"""The kit as the author of a plugin meets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from imgfw import testing

from tests.docs.pages import DOCS, blocks_of

PAGE = DOCS / "testing-a-plugin.md"
SOUND = Path(__file__).with_name("sound_plugin.py")

test_a_sound_plugin_passes = testing.conformance(SOUND, targets={"grade": lambda info, number: number / 4})

INNER = ["--capture=no", "-p", "no:cacheprovider", "--import-mode=importlib"]
"""How pytest is run within a test."""

TWO_MODELS = '''
from __future__ import annotations
from imgfw import about, hookimpl

@about(tasks=("classification",))
def straight(info):
    """A linear model."""
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(info.channels * 32 * 32, info.num_classes))

@about(tasks=("classification",))
def crooked(info):
    """A linear model of another number of classes."""
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(info.channels * 32 * 32, 7))

@hookimpl
def imgfw_models():
    return [straight, crooked]
'''


def ids(cases: list[testing.Case]) -> list[str]:
    return [case.id for case in cases]


@pytest.fixture
def two_models(tmp_path: Path) -> Path:
    """The file of a plugin."""
    file = tmp_path / "two_models.py"
    file.write_text(TWO_MODELS)
    return file


def test_cases_are_named_after_provider_and_check(two_models: Path) -> None:
    assert ids(testing.cases(two_models)) == [
        "plugin-loads",
        "plugin-import",
        *(
            f"models/{name}-{check}"
            for name in ("straight", "crooked")
            for check in ("docstring", "settings", "builds", "backward", "batch_of_one", "grey", "state_dict")
        ),
    ]


def test_checks_that_do_not_apply_are_left_out() -> None:
    names = ids(testing.cases("imgfw"))
    assert {"losses/cross_entropy-perfect", "losses/dice-split_batches", "losses/own_losses-finite"} <= set(
        names
    )
    assert {
        "transforms/pad-stages",
        "transforms/random_affine-warp",
        "callbacks/early_stopping-state_dict",
    } <= set(names)
    left_out = {
        "losses/own_losses-perfect",
        "losses/batch_dice-split_batches",
        "transforms/mixup-in_step",
        "transforms/normalize-stages",
        "transforms/color_jitter-warp",
        "callbacks/stop_at-state_dict",
    }
    assert left_out.isdisjoint(names)


def test_without_targets_a_task_of_the_plugins_own_is_not_tried() -> None:
    names = ids(testing.cases(SOUND))
    assert "losses/squared_error-settings" in names and "models/ladder-backward" in names
    assert {"losses/squared_error-finite", "tasks/grade-batch", "metrics/mean_error-merge"}.isdisjoint(names)


def test_pytest_shows_the_cases_and_what_is_wrong(
    two_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in an author's terminal; the failure is a sentence, without the kit's own code."""
    chosen = ["-k", "straight or batch_of_one"]
    test_file = two_models.with_name("test_two_models.py")
    test_file.write_text(
        "import imgfw.testing\n"
        "test_conformance = imgfw.testing.conformance(\n"
        f"    {str(two_models)!r}, skip={{'straight': {{'grey': 'for colour images'}}}}\n)\n"
    )
    status = pytest.main([*INNER, f"--basetemp={tmp_path / 'inner'}", "-v", "-rs", *chosen, str(test_file)])
    said = capsys.readouterr().out
    assert status == pytest.ExitCode.TESTS_FAILED, said
    assert "test_conformance[models/straight-backward] PASSED" in said
    assert "SKIPPED [1]" in said and "for colour images" in said
    assert re.search(
        r"Nonconformity: The model crooked \(two_models.py:\d+\): it returns \[1, 7\], not", said
    )
    assert "subject.expect" not in said
    assert "1 failed, 6 passed, 1 skipped" in said


def test_a_reason_alone_leaves_out_all_that_builds_the_provider(two_models: Path, tmp_path: Path) -> None:
    listed = testing.cases(two_models, skip={"crooked": "not yet"})
    left_out = {case.check for case in listed if case.skip}
    assert left_out == {"builds", "backward", "batch_of_one", "grey", "state_dict"}
    with pytest.raises(pytest.skip.Exception, match="not yet"):
        next(case for case in listed if case.skip).run(tmp_path)


def test_a_misspelt_exception_is_refused(two_models: Path) -> None:
    with pytest.raises(ValueError, match=r"skip names 'stright'.*Did you mean \"straight\""):
        testing.cases(two_models, skip={"stright": "it is new"})
    with pytest.raises(ValueError, match=r"skip\['straight'\] names no check: 'gray'.*\"grey\""):
        testing.cases(two_models, skip={"straight": {"gray": "it is new"}})
    with pytest.raises(ValueError, match="settings names 'bent'"):
        testing.cases(two_models, settings={"bent": {}})


def test_a_plugin_is_found_by_distribution_module_file_and_catalog(site) -> None:
    module = site.install("imgfw-plugin-two", TWO_MODELS.replace("from __future__ import annotations", ""))
    expected = ids(testing.cases("imgfw-plugin-two"))
    assert "models/crooked-backward" in expected
    assert ids(testing.cases(module)) == expected
    assert ids(testing.cases(__import__(module))) == expected
    assert ids(testing.cases(site.folder / f"{module}.py")) == expected


def test_several_plugins_of_a_catalog_are_told_apart(site) -> None:
    site.install_builtins("def imgfw_models(): return []\nimgfw_models = hookimpl(imgfw_models)")
    site.install("imgfw-plugin-two", TWO_MODELS.replace("from __future__ import annotations", ""))
    names = ids(testing.cases(site.catalog()))
    assert "imgfw-plugin-two/models/straight-backward" in names and "imgfw/plugin-loads" in names


def test_what_is_no_plugin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a distribution nor a module imgfw-plugin-nowhere"):
        testing.cases("imgfw-plugin-nowhere")
    with pytest.raises(ValueError, match="There is no plugin file"):
        testing.cases(tmp_path / "nowhere.py")


def test_a_plugin_that_provides_nothing_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "empty.py"
    file.write_text("")
    with pytest.raises(
        testing.Nonconformity, match=r"The plugin empty.py provides nothing. Implement a hook"
    ):
        testing.cases(file)[0].run(tmp_path)


def test_the_time_of_the_import_is_printed(two_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [case] = [case for case in testing.cases(two_models) if case.check == "import"]
    case.run(two_models.parent)
    assert capsys.readouterr().out.startswith("importing two_models.py takes 0.")


def test_the_page_for_authors_lists_every_check() -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [
        f"{check.kind} {check.name}"
        for check in testing.CHECKS
        if f"| `{check.name}` | {check.asks} |" not in text
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("page", "files", "result"),
    [
        ("testing-a-plugin.md", ["test_my_plugin.py", "test_training.py"], "18 passed, 2 skipped"),
        ("plugins.md", ["test_conformance.py"], "9 passed"),
    ],
)
def test_the_tests_that_are_shown_to_authors_pass(
    page: str,
    files: list[str],
    result: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for block in blocks_of(DOCS / page):
        if block.role in ("plugin", "kit"):
            (tmp_path / block.argument).write_text(block.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    status = pytest.main([*INNER, f"--basetemp={tmp_path / 'inner'}", *files])
    said = capsys.readouterr().out
    assert status == pytest.ExitCode.OK, said
    assert result in said
