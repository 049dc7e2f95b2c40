"""Every failure is a sentence on stderr and an exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest
from imgfw.contract.errors import (
    DataError,
    DivergedError,
    InterruptedRun,
    PluginError,
    UsageError,
)


@pytest.fixture
def failing(imgfw, monkeypatch, write_recipe):
    """Run a command that fails with a given exception."""

    def run(error: BaseException, *group_words: str, **options):
        def fail(*arguments, **settings):
            raise error

        monkeypatch.setattr("imgfw.recipe.reading.read_recipe", fail)
        return imgfw(*group_words, "check", write_recipe(), **options)

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("No.", "Do this."), 2),
        (DataError("No.", "Do this."), 3),
        (PluginError("No.", "Do this."), 4),
        (DivergedError("No.", "Do this."), 5),
        (InterruptedRun("No.", "Do this.", 2), 130),
        (InterruptedRun("No.", "Do this.", 15), 143),
    ],
)
def test_an_error_is_a_sentence_with_a_way_out_and_its_exit_code(failing, error, code):
    result = failing(error)
    assert result.exit_code == code
    assert result.stderr == "error: No. Do this.\n"
    assert result.stdout == ""


def test_an_unexpected_exception_is_one_line_that_tells_how_to_see_more(failing):
    result = failing(KeyError("surprise\nin two lines"))
    assert result.exit_code == 1
    assert result.stderr.startswith("unexpected error: KeyError: ")
    assert "IMGFW_DEBUG=1" in result.stderr
    assert result.stderr.count("\n") == 1


def test_debugging_shows_the_traceback(failing, monkeypatch):
    monkeypatch.setenv("IMGFW_DEBUG", "1")
    result = failing(DataError("No."))
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: No.\n")


def test_an_interrupted_command_exits_with_130(failing):
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_what_one_process_of_a_run_said_the_others_do_not_repeat(failing, monkeypatch, tmp_path):
    monkeypatch.setenv("IMGFW_SAID", str(tmp_path))
    assert failing(DataError("No.")).stderr == "error: No.\n"
    assert failing(DataError("No.")).stderr == ""
    assert failing(DataError("Nor this.")).stderr == "error: Nor this.\n"


def test_errors_are_coloured_only_where_colours_are_wanted(failing, monkeypatch):
    assert "\x1b" in failing(DataError("No."), color=True).stderr
    assert "\x1b" not in failing(DataError("No."), color=False).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in failing(DataError("No."), color=True).stderr


def test_a_misspelt_verb_exits_with_2(imgfw):
    result = imgfw("list-plugin")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "imgfw", "list", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
