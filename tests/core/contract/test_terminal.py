"""Nothing that steers a terminal gets through; whatever people write does."""

from __future__ import annotations

import json

import pytest
from imgfw.contract.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\u001b[2J\u001b]0;title\u0007"),
        ("\x9b31m and \x7f", r"\u009b31m and \u007f"),
        ("over\rwritten\x08\x00", r"over\u000dwritten\u0008\u0000"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_tabs_and_every_script_are_left_alone() -> None:
    text = "two\nlines\tChat 猫 قطة 🐈‍⬛ é …"
    assert printable(text) == text


def test_json_stays_json_and_means_the_same() -> None:
    value = {"name\x9b": "a\x7f\u2028b\udc80"}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value
