"""What a plugin does while it is imported stays in it, and is told."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest
from imgfw.catalog import suggest
from imgfw.catalog.loading import Plugin

NET = "\ndef net(info): 'A net.'\n@hookimpl\ndef imgfw_models():\n    return [net]\n"


def loaded(site, code: str) -> Plugin:
    site.install("odd", code + NET)
    [found] = site.catalog().plugins()
    return found


def test_what_is_printed_goes_to_stderr_and_is_told(site, capsys: pytest.CaptureFixture[str]) -> None:
    found = loaded(site, "print('Welcome to odd!')")
    assert (found.status, found.reason) == ("ok", "prints when it is imported")
    assert capsys.readouterr() == ("", "Welcome to odd!\n")


def test_a_plugin_may_ask_what_kind_of_file_stdout_is(site) -> None:
    assert loaded(site, "import sys\nassert sys.stdout.encoding and not sys.stdout.isatty()").reason == ""


def test_a_plugin_that_prints_in_a_hook_is_told_as_well(site) -> None:
    site.install("odd", "@hookimpl\ndef imgfw_models():\n    print('asked')\n    return []")
    [found] = site.catalog().plugins()
    assert found.reason == "prints when it is imported"


def test_a_warning_is_told_and_not_raised_even_where_warnings_are_errors(site) -> None:
    found = loaded(site, "import warnings\nwarnings.warn('odd is\\n  unmaintained')\nwarnings.warn('again')")
    assert found.status == "ok"
    assert found.reason == "warns when it is imported: UserWarning: odd is unmaintained"


def test_a_warning_for_developers_is_not_told(site) -> None:
    assert loaded(site, "import warnings\nwarnings.warn('old', DeprecationWarning)").reason == ""


def test_filters_of_warnings_stay_as_they_were(site) -> None:
    before = list(warnings.filters)
    loaded(site, "import warnings\nwarnings.filterwarnings('ignore')")
    assert list(warnings.filters) == before


def test_the_working_folder_stays_as_it_was(site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = loaded(site, "import os\nos.chdir('/')")
    assert found.reason == "changes the working folder when it is imported"
    assert Path.cwd() == tmp_path


@pytest.mark.skipif(os.name != "posix", reason="removes the working folder")
def test_a_working_folder_that_is_gone_is_no_fault_of_a_plugin(
    site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert loaded(site, "").reason == ""


def test_a_name_of_imgfw_that_a_plugin_replaces_means_again_what_it_meant(site) -> None:
    before = suggest.did_you_mean
    found = loaded(site, "import imgfw.catalog.suggest as s\ns.did_you_mean = None\ndel s.difflib")
    assert (found.status, found.providers) == ("broken", {})
    assert found.reason == "it replaces imgfw.catalog.suggest.difflib, imgfw.catalog.suggest.did_you_mean"
    assert suggest.did_you_mean is before
    assert suggest.difflib


def test_a_module_of_imgfw_that_a_plugin_replaces_is_there_again(site) -> None:
    found = loaded(site, "import sys\nsys.modules['imgfw.catalog.suggest'] = None")
    assert found.reason == "it replaces imgfw.catalog.suggest"
    assert sys.modules["imgfw.catalog.suggest"] is suggest


def test_names_are_given_back_after_an_import_that_failed_too(site) -> None:
    before = suggest.did_you_mean
    found = loaded(site, "import imgfw.catalog.suggest as s\ns.did_you_mean = None\nraise ValueError('x')")
    assert found.reason.startswith("ValueError: x")
    assert suggest.did_you_mean is before


def test_importing_more_of_imgfw_is_no_misdeed(site) -> None:
    assert loaded(site, "from imgfw import Settings\nimport imgfw.catalog.problems").reason == ""
