"""Work of which nothing is kept."""

from __future__ import annotations

import os
import signal

import imgfw
import pytest
from imgfw.engine.temporary import nothing_kept, temporary_folder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_of_which_nothing_is_kept_ends_with_the_code_of_the_signal(number):
    with pytest.raises(imgfw.InterruptedRun) as stopped, nothing_kept("The proof"):
        send(number)
    assert stopped.value.exit_code == 128 + number
    assert str(stopped.value) == "The proof was stopped; nothing of it is kept."
    with pytest.raises(imgfw.InterruptedRun) as within, nothing_kept("The proof"):
        raise imgfw.InterruptedRun("Stopped; the state is saved.", "Resume with: …", number)
    assert str(within.value) == str(stopped.value)
    assert within.value.exit_code == stopped.value.exit_code


def test_a_folder_goes_with_the_work_unless_an_error_names_it(place):
    with temporary_folder("imgfw-test-") as folder:
        (folder / "file").write_text("")
    assert not list(place.iterdir())
    for error in (imgfw.UsageError("No."), KeyError("no"), imgfw.InterruptedRun(f"{folder}", "", 15)):
        with pytest.raises(type(error)), temporary_folder("imgfw-test-"):
            raise error
    assert not list(place.iterdir())
    with pytest.raises(imgfw.DataError), temporary_folder("imgfw-test-") as folder:
        raise imgfw.DataError("Training diverged.", f"The run is in {folder / 'run'}.")
    assert list(place.iterdir()) == [folder]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_folder_goes_where_a_signal_comes_as_it_is_made(place, monkeypatch, number):
    make = type(place).mkdir

    def mkdir(path, **settings):
        make(path, **settings)
        send(number)

    monkeypatch.setattr(type(place), "mkdir", mkdir)
    with pytest.raises(imgfw.InterruptedRun), nothing_kept("The proof"), temporary_folder("imgfw-test-"):
        pytest.fail("the signal was lost")
    assert not list(place.iterdir())
