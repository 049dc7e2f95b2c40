"""Listing plugins, choosing among them, and broken ones among good ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = {
    "raises-at-import": ("raise RuntimeError('no licence found')", "no licence found"),
    "exits-at-import": ("import sys\nsys.exit(7)", "sys.exit(7)"),
    "misspells-a-hook": (
        "from imgfw import hookimpl\n@hookimpl\ndef imgfw_modells():\n    return []\n",
        "imgfw_modells",
    ),
    "has-a-bad-signature": (
        "from imgfw import hookimpl\ndef net(info, **settings):\n    pass\n"
        "@hookimpl\ndef imgfw_models():\n    return [net]\n",
        "**settings",
    ),
}


def listed(imgfw, *group_words: str) -> dict[str, dict]:
    """The plugins by name."""
    result = imgfw(*group_words, "list-plugins", "--json")
    assert result.exit_code == 0, result.stderr
    return {plugin["name"]: plugin for plugin in json.loads(result.stdout)["plugins"]}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_hurts_nobody(imgfw, install, good_plugin, name):
    code, reason = BROKEN[name]
    install("imgfw-plugin-good", good_plugin)
    install(f"imgfw-plugin-{name}", code)
    plugins = listed(imgfw)
    assert plugins[f"imgfw-plugin-{name}"]["status"] == "broken"
    assert reason in plugins[f"imgfw-plugin-{name}"]["reason"]
    assert plugins["imgfw-plugin-good"]["provides"] == {"models": ["hello_net"]}
    assert plugins["imgfw"]["status"] in ("ok", "slow")
    assert reason in imgfw("list-plugins").stdout


def test_a_malformed_declaration_is_listed_as_broken(imgfw, install, good_plugin, tmp_path):
    install("imgfw-plugin-x", good_plugin)
    (tmp_path / "imgfw_plugin_x-0.1.dist-info" / "entry_points.txt").write_text("[imgfw]\nx = a b c\n")
    assert listed(imgfw)["imgfw-plugin-x"]["status"] == "broken"


def test_the_json_form_is_public_and_frozen(imgfw, install, good_plugin):
    install("imgfw-plugin-x", good_plugin)
    data = json.loads(imgfw("list-plugins", "--json").stdout)
    assert set(data) == {"format", "plugins"}
    assert data["format"] == 1
    assert data["plugins"][0]["name"] == "imgfw"
    plugin = next(plugin for plugin in data["plugins"] if plugin["name"] == "imgfw-plugin-x")
    assert isinstance(plugin.pop("seconds"), float)
    assert plugin == {
        "name": "imgfw-plugin-x",
        "version": "0.1",
        "status": "ok",
        "reason": "",
        "provides": {"models": ["hello_net"]},
        "imports_torch": False,
        "api": None,
        "shadows": {"names": {}, "installs": []},
    }


def test_a_plugin_can_be_left_out(imgfw, install):
    install("imgfw-plugin-x", "raise RuntimeError")
    assert listed(imgfw, "-p", "no:imgfw-plugin-x")["imgfw-plugin-x"]["status"] == "disabled"


def test_naming_plugins_leaves_the_others_out(imgfw, install, good_plugin):
    install("imgfw-plugin-x", good_plugin)
    install("imgfw-plugin-y", "raise RuntimeError")
    plugins = listed(imgfw, "-p", "imgfw-plugin-x")
    assert (plugins["imgfw-plugin-x"]["status"], plugins["imgfw-plugin-y"]["status"]) == ("ok", "disabled")


def test_the_option_overrides_the_environment(imgfw, install, good_plugin, monkeypatch):
    install("imgfw-plugin-x", good_plugin)
    monkeypatch.setenv("IMGFW_PLUGINS", "")
    assert listed(imgfw)["imgfw-plugin-x"]["status"] == "disabled"
    assert listed(imgfw, "-p", "imgfw-plugin-x")["imgfw-plugin-x"]["status"] == "ok"


def test_a_file_is_a_plugin_when_it_is_named(imgfw, good_plugin, tmp_path):
    (tmp_path / "my_models.py").write_text(good_plugin)
    provided = [plugin["provides"] for plugin in listed(imgfw, "-p", "./my_models.py").values()]
    assert {"models": ["hello_net"]} in provided


def test_a_word_that_matches_nothing_is_an_error(imgfw, install, good_plugin):
    install("imgfw-plugin-x", good_plugin)
    result = imgfw("-p", "imgfw-plugin-y", "list-plugins")
    assert result.exit_code == 2
    assert 'Did you mean "imgfw-plugin-x"?' in result.stderr


def test_strictness_makes_a_broken_plugin_an_error_with_its_reason(imgfw, install):
    install("imgfw-plugin-x", "raise RuntimeError('no licence found')")
    result = imgfw("--strict-plugins", "list-plugins")
    assert result.exit_code == 4
    assert "imgfw-plugin-x: RuntimeError: no licence found" in result.stderr
    assert imgfw("--strict-plugins", "-p", "no:imgfw-plugin-x", "list-plugins").exit_code == 0


def test_names_that_others_have_too_are_shown_with_what_they_mean(imgfw, install):
    net = "from imgfw import hookimpl\n@hookimpl\ndef imgfw_models():\n    return [{0}]\n"
    code = "def vit(info): 'A net.'\ndef resnet50(info): 'A net.'\n" + net.format("vit, resnet50")
    install("imgfw-plugin-x", code)
    install("imgfw-plugin-y", "def vit(info): 'A net.'\n" + net.format("vit"))
    plugins = listed(imgfw)
    assert plugins["imgfw-plugin-x"]["shadows"]["names"] == {
        "models": {"vit": ["imgfw-plugin-y"], "resnet50": ["imgfw"]}
    }
    assert plugins["imgfw"]["shadows"]["names"] == {"models": {"resnet50": ["imgfw-plugin-x"]}}
    text = imgfw("list-plugins").stdout
    assert """model "resnet50" means imgfw's; this one is imgfw-plugin-x/resnet50""" in text
    assert 'model "vit" is also of imgfw-plugin-y; this one is imgfw-plugin-x/vit' in text


def test_an_installation_that_another_hides_is_shown(imgfw, install, good_plugin, tmp_path, monkeypatch):
    install("imgfw-plugin-x", good_plugin)
    old = tmp_path / "old" / "imgfw_plugin_x-0.0.dist-info"
    old.mkdir(parents=True)
    (old / "entry_points.txt").write_text("[imgfw]\nplugin = imgfw_plugin_x\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(old.parent)])
    assert listed(imgfw)["imgfw-plugin-x"]["shadows"]["installs"] == [str(old)]
    assert f"(hides {old})" in imgfw("list-plugins").stdout


def test_the_requirements_are_those_of_other_plugins_as_pip_takes_them(imgfw, install, good_plugin):
    install("imgfw-plugin-x", "raise RuntimeError('imported')")
    install("imgfw-plugin-y", good_plugin)
    lines = imgfw("-p", "imgfw-plugin-x", "-p", "imgfw-plugin-y", "list-plugins", "--requirements").stdout
    assert lines == "imgfw-plugin-x==0.1\nimgfw-plugin-y==0.1\n"
    assert imgfw("-p", "imgfw-plugin-y", "list-plugins", "--requirements").stdout == "imgfw-plugin-y==0.1\n"


def test_without_other_plugins_there_are_no_requirements(imgfw, monkeypatch):
    monkeypatch.setenv("IMGFW_PLUGINS", "")
    assert imgfw("list-plugins", "--requirements").stdout == ""


def test_json_and_requirements_exclude_each_other(imgfw):
    assert imgfw("list-plugins", "--requirements", "--json").exit_code == 2


def test_listing_fifty_plugins_imports_neither_torch_nor_pydantic(install, good_plugin, tmp_path):
    for number in range(50):
        install(f"imgfw-plugin-n{number}", good_plugin.replace("hello_net", f"net{number}"))
    code = (
        "import sys\nfrom imgfw.cli import application\n"
        "application(['list-plugins'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    words = " ".join(f"imgfw-plugin-n{number}" for number in range(50))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path, "IMGFW_PLUGINS": words},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, imported = done.stdout.splitlines()
    assert sum(" ok " in line and "1 model" in line for line in lines) == 50
    assert imported == "[]"
