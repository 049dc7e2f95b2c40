"""What is done with samples that cannot be used."""

from __future__ import annotations

import csv
import os

import pytest
from imgfw import DataError, ImgfwError
from imgfw.engine.input.bad_data import BadDataPolicy, Quarantine
from imgfw.engine.input.splits import BadSample

BAD = [BadSample("train", 2, "2.png", "is empty"), BadSample("train", 4, "4.png", "is no image")]
MANY = [BadSample("train", number, f"{number}.png", "is empty") for number in range(12)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "quarantine.csv"


def policy_of(path, said=None, skip=True, max_fraction=0.05, **sizes):
    said = [] if said is None else said
    return BadDataPolicy(
        skip, max_fraction, {"train": 100, "val": 100, **sizes}, Quarantine(path, said.append)
    )


def listed(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_bad_sample_is_an_error_that_names_it(path):
    with pytest.raises(DataError, match=r'2\.png: is empty \(train split\)\. Mend it, .*"bad_data": "skip"'):
        policy_of(path, skip=False).handle(BAD[:1])
    assert not path.exists()


def test_of_many_bad_samples_ten_are_named_and_all_are_counted(path):
    with pytest.raises(DataError) as raised:
        policy_of(path, skip=False).handle(MANY)
    named = "; ".join(f"{number}.png: is empty" for number in range(10))
    assert raised.value.message == f"12 samples of the train split cannot be used: {named}; and 2 more."


def test_bad_samples_that_are_skipped_are_said_and_listed_once(path):
    said = []
    policy = policy_of(path, said)
    for bad in (BAD, BAD[1:], [], [BadSample("val", 2, "2.png", "is empty")]):
        policy.handle(bad)
    assert said == ["left out: 2.png: is empty", "left out: 4.png: is no image", "left out: 2.png: is empty"]
    assert [row[:2] for row in listed(path)] == [
        ["split", "index"],
        ["train", "2"],
        ["train", "4"],
        ["val", "2"],
    ]


@pytest.mark.parametrize(
    "source", ["a.png", "a\nb.png", "a\r\nb.png", "a\u2028b\x1c.png", os.fsdecode(b"\xfc.png"), ' "a", b']
)
def test_a_resumed_run_neither_lists_nor_says_a_sample_again(path, source):
    said = []
    for _ in range(2):
        policy = policy_of(path, said)
        policy.handle([BadSample("val", 3, source, 'is "empty"'), *BAD])
    assert [row[:2] for row in listed(path)[1:]] == [["val", "3"], ["train", "2"], ["train", "4"]]
    assert listed(path)[1][3] == 'is "empty"'
    assert len(said) == 3


@pytest.mark.parametrize(
    ("max_fraction", "size", "allowed"),
    [(0.05, 100, 5), (0.05, 119, 5), (0.0, 100, 1), (0.05, 3, 1), (1, 12, 12)],
)
def test_a_share_of_a_split_may_be_left_out_and_one_sample_always(path, max_fraction, size, allowed):
    policy = policy_of(path, max_fraction=max_fraction, train=size)
    policy.handle(MANY[:allowed])
    if allowed < len(MANY):
        with pytest.raises(DataError, match=f"{allowed + 1} of the {size} samples .* allows {allowed}"):
            policy.handle(MANY[allowed : allowed + 1])


def test_the_error_says_how_many_where_they_are_listed_and_the_first(path):
    with pytest.raises(DataError) as raised:
        policy_of(path).handle(MANY)
    assert str(raised.value) == (
        '12 of the 100 samples of the train split cannot be used; "max_bad_fraction": 0.05 allows 5. '
        f"{path} lists them; the first: 0.png: is empty; 1.png: is empty; 2.png: is empty; and 9 more. "
        'Mend them, or raise "max_bad_fraction", and start a new run: of this one nothing was saved.'
    )
    assert len(listed(path)) == 13


def test_a_run_that_saved_something_can_go_on(path):
    (path.parent / "checkpoints" / "3").mkdir(parents=True)
    with pytest.raises(DataError) as raised:
        policy_of(path).handle(MANY)
    assert raised.value.hint == (
        "Mend them and delete quarantine.csv, or raise max_bad_fraction, and go on: "
        f"imgfw run --resume {path.parent}, with --set max_bad_fraction=… to raise it."
    )


def test_the_splits_have_budgets_of_their_own(path):
    policy = policy_of(path)
    policy.handle(MANY[:5])
    policy.handle([BadSample("val", number, f"{number}.png", "is empty") for number in range(5)])
    with pytest.raises(DataError, match="6 of the 100 samples of the val split"):
        policy.handle([BadSample("val", 7, "7.png", "is empty")])


def test_a_resumed_run_remembers_what_it_left_out(path):
    policy_of(path).handle(MANY[:5])
    resumed = policy_of(path)
    resumed.handle(MANY[3:5])
    with pytest.raises(DataError, match="6 of the 100 samples"):
        resumed.handle(MANY[5:6])


def test_processes_share_a_list_and_a_budget(path):
    one, two = policy_of(path), policy_of(path)
    one.handle(MANY[:3])
    two.handle(MANY[2:5])
    assert [row[1] for row in listed(path)] == ["index", "0", "1", "2", "3", "4"]
    with pytest.raises(DataError, match="6 of the 100 samples"):
        one.handle(MANY[5:6])


def test_a_list_that_is_only_read_is_not_written(path):
    Quarantine(path, print, writes=False).add(BAD)
    assert not path.exists()


@pytest.mark.parametrize("text", ["train,one,a.png,is empty\n", "train,1\n", "\udcff\n"])
def test_a_list_that_somebody_damaged_is_refused_with_what_to_do(path, text):
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(DataError, match=r"quarantine\.csv is not as it was written.*Delete it"):
        Quarantine(path, print)


def test_a_list_that_cannot_be_written_is_named_with_the_free_bytes(path):
    policy = policy_of(path.parent / "removed" / path.name)
    with pytest.raises(ImgfwError, match=r"removed/quarantine\.csv cannot be written: .* bytes are free"):
        policy.handle(BAD)


def test_a_sample_is_known_by_its_source_where_files_came_or_went(path):
    policy_of(path).handle(BAD)
    policy_of(path).handle([BadSample("train", 1, "2.png", "is empty")])
    assert [row[2] for row in listed(path)] == ["source", "2.png", "4.png"]
