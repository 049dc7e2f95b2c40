"""Whatever goes wrong in a plugin stays in it: it is listed as broken, and the others go on working."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from imgfw import PluginError
from imgfw.catalog.loading import Plugin
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

GOOD = """
    def fine(info, *, width: int = 3):
        "A model that works."

    @hookimpl
    def imgfw_models():
        return [fine]
"""

HOOKS = (
    "imgfw_tasks, imgfw_datasets, imgfw_transforms, imgfw_models, imgfw_losses, imgfw_optimizers, "
    "imgfw_schedulers, imgfw_metrics, imgfw_callbacks"
)


def models(code: str) -> str:
    """A plugin that provides the model that `code` defines as `net`."""
    return f"{code}\n@hookimpl\ndef imgfw_models():\n    return [net]\n"


BROKEN = {
    "raises at import": (
        "def helper():\n    raise OSError('no such\\nlibrary')\nhelper()",
        "OSError: no such library (bad.py, line 4)",
    ),
    "has a syntax error": ("def", "SyntaxError: invalid syntax (bad.py, line 3)"),
    "imports what is not installed": (
        "import nowhere_to_be_found",
        "ModuleNotFoundError: No module named 'nowhere_to_be_found' (bad.py, line 3)",
    ),
    "calls sys.exit": ("import sys\nsys.exit(3)", "it calls sys.exit(3) when it is imported"),
    "misspells a hook": (
        "@hookimpl\ndef imgfw_modles():\n    return []",
        "it implements imgfw_modles, which this imgfw does not know (misspelt, or written for a newer one?). "
        f"Hooks: {HOOKS}",
    ),
    "forgets the marker of a hook": (
        "def imgfw_models():\n    return []",
        "the function imgfw_models lacks @hookimpl",
    ),
    "returns no list": (
        "@hookimpl\ndef imgfw_models():\n    return 3",
        "imgfw_models must return a list of providers, not 3",
    ),
    "returns names instead of providers": (
        "@hookimpl\ndef imgfw_models():\n    return ['resnet']",
        "imgfw_models returned 'resnet', which is neither a function nor a class",
    ),
    "returns a string": (
        "@hookimpl\ndef imgfw_models():\n    return 'resnet'",
        "imgfw_models must return a list of providers, not 'resnet'",
    ),
    "raises midway": (
        "def net(info): ...\n@hookimpl\ndef imgfw_models():\n    yield net\n    raise KeyError('weights')",
        "KeyError: 'weights' (bad.py, line 7)",
    ),
    "asks a hook for what there is not": (
        "@hookimpl\ndef imgfw_models(config):\n    return []",
        "its hook 'imgfw_models' has parameters; hooks are given none",
    ),
    "takes any setting": (
        models("def net(info, **kwargs): pass"),
        "model net has **kwargs: every setting must be a parameter of its own",
    ),
    "takes any argument": (
        models("def net(*layers): pass"),
        "model net has *layers: every setting must be a parameter of its own",
    ),
    "does not annotate a setting": (
        models("def net(info, *, width=3): pass"),
        "model net has a setting 'width' without a type annotation",
    ),
    "calls a setting type": (
        models("def net(info, *, type: str = 'a'): pass"),
        "model net has a setting 'type', a name that imgfw keeps for itself",
    ),
    "calls a setting as one of the core's": (
        models("def net(info, *, freeze: bool = False): pass"),
        "model net has a setting 'freeze', a name that imgfw keeps for itself",
    ),
    "asks for what is not offered": (
        models("def net(info, optimizer): pass"),
        "model net asks for 'optimizer', but imgfw offers models info (settings stand after the star)",
    ),
    "has a name that no recipe could write": (
        models("net = lambda info: None"),
        "model '<lambda>' needs a name of lower-case letters, digits and _",
    ),
    "does not say where a setting's type is": (
        models("def net(info, *, width: Widht = 3): pass"),
        "model net has a setting whose type cannot be found: NameError: name 'Widht' is not defined",
    ),
    "has a setting of the core's in a class": (
        models("class net:\n    def __init__(self, info, *, freeze: bool = False): pass"),
        "model net has a setting 'freeze', a name that imgfw keeps for itself",
    ),
    "returns what cannot be called": (
        "@hookimpl\ndef imgfw_losses():\n    return [3.5]",
        "imgfw_losses returned 3.5, which is neither a function nor a class",
    ),
    "returns nothing": (
        "@hookimpl\ndef imgfw_models():\n    net = 3",
        "imgfw_models must return a list of providers, not None",
    ),
    "states a fact that there is not": (
        "from imgfw import about\n@about(taks=('classification',))\ndef net(info): pass",
        "TypeError: About.__init__() got an unexpected keyword argument 'taks' (bad.py, line 4)",
    ),
    "raises what cannot be printed": (
        "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd",
        "Odd: (an exception that cannot be printed) (bad.py, line 6)",
    ),
    "changes what imgfw knows": (
        "from imgfw.contract.kinds import KINDS\nKINDS['models'] = None",
        "TypeError: 'mappingproxy' object does not support item assignment (bad.py, line 4)",
    ),
    "replaces a name of imgfw": (
        "import imgfw.catalog.suggest\nimgfw.catalog.suggest.did_you_mean = print",
        "it replaces imgfw.catalog.suggest.did_you_mean",
    ),
    "replaces a name of Python": ("import builtins\nbuiltins.len = None", "it replaces builtins.len"),
    "wants a name that imgfw does not have": (
        "from imgfw import hologram",
        "ImportError: cannot import name 'hologram' from 'imgfw' (...); this is imgfw 0.1.0 (is the plugin "
        "written for a newer one?) (bad.py, line 3)",
    ),
    "was written for a newer imgfw": (
        "IMGFW_API = 99",
        "it was written for version 99 of the plugin API, and this imgfw (0.1.0) has version 1. "
        "Run: pip install --upgrade imgfw",
    ),
    "declares a version of the API that is none": (
        "IMGFW_API = '1'",
        "its IMGFW_API is '1', not a whole number from 1",
    ),
    "provides a name twice": (
        "def net(info): pass\n@hookimpl\ndef imgfw_models():\n    return [net, net]",
        "it provides the model 'net' twice",
    ),
}


def plugin(site, name: str) -> Plugin:
    return next(item for item in site.catalog().plugins() if item.name == name)


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_plugin_that(site, code: str, reason: str) -> None:
    """It is broken for the reason given, and another plugin works all the same."""
    site.install("bad", code)
    site.install("good", GOOD)
    bad, good = site.catalog().plugins()
    assert (bad.status, re.sub(r"\(/[^)]*\)", "(...)", bad.reason)) == ("broken", reason)
    assert bad.providers == {}
    assert good.status == "ok"
    assert [provider.name for provider in good.providers["models"]] == ["fine"]


def test_all_of_these_together_hurt_nobody(site) -> None:
    """imgfw's own components and a good plugin beside every broken one, and one whose module is missing."""
    for number, (code, _) in enumerate(BROKEN.values()):
        site.install(f"imgfw-plugin-bad{number}", code)
    site.install("imgfw-plugin-gone", entry_points="[imgfw]\nplugin = imgfw_plugin_gone.models\n")
    site.install("imgfw-plugin-good", GOOD)
    catalog = site.catalog_beside_builtins()
    status = {item.name: item.status for item in catalog.plugins()}
    assert [name for name in status if status[name] == "ok"] == ["imgfw", "imgfw-plugin-good"]
    assert list(status.values()).count("broken") == len(BROKEN) + 1
    assert all(item.reason for item in catalog.plugins() if item.status == "broken")
    assert catalog.find("models", "fine").plugin == "imgfw-plugin-good"
    assert check(read_recipe({"data": "digits", "model": "resnet9"}), catalog).warnings == []


def test_a_plugin_whose_declaration_is_malformed_is_broken(site) -> None:
    site.install("bad", entry_points="[imgfw]\nplugin = -\n")
    assert plugin(site, "bad").reason.startswith('its entry point "-" is not of the form')


def test_an_entry_point_that_names_nothing_in_its_module_is_broken(site) -> None:
    site.install("bad", entry_points="[imgfw]\nplugin = bad:missing\n")
    assert plugin(site, "bad").reason == "AttributeError: module 'bad' has no attribute 'missing'"


def test_an_interrupt_by_the_user_is_not_swallowed(site) -> None:
    site.install("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.catalog().plugins()


def test_an_entry_point_may_name_an_object(site) -> None:
    site.install(
        "objects",
        """
        class Hooks:
            @hookimpl
            def imgfw_models(self):
                return [net]

        def net(info): "A net."

        hooks = Hooks()
        """,
        entry_points="[imgfw]\nplugin = objects:hooks\n",
    )
    assert [provider.name for provider in plugin(site, "objects").providers["models"]] == ["net"]


def test_a_hook_may_be_a_generator(site) -> None:
    site.install("generous", "def net(info): ...\n@hookimpl\ndef imgfw_models():\n    yield net\n")
    assert plugin(site, "generous").status == "ok"


def test_a_class_is_named_in_snake_case(site) -> None:
    site.install(
        "classy",
        """
        from imgfw import Callback

        class EarlyStopping(Callback): "Stop."
        class EMAWeights(Callback): "Average."
        class Mixup2D(Callback): "Mix."

        @hookimpl
        def imgfw_callbacks():
            return [EarlyStopping, EMAWeights, Mixup2D]
        """,
    )
    found = plugin(site, "classy").providers["callbacks"]
    assert [provider.name for provider in found] == ["early_stopping", "ema_weights", "mixup2_d"]


def test_a_provider_tells_what_it_asks_for_its_settings_and_its_description(site) -> None:
    site.install("good", GOOD)
    [provider] = plugin(site, "good").providers["models"]
    assert provider.qualified == "good/fine"
    assert provider.description == "A model that works."
    assert provider.asks_for == ("info",)
    assert provider.setting_names == ("width",)


def test_a_plugin_that_imports_torch_or_takes_long_says_so(site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgfw.catalog.loading.SLOW_SECONDS", 0.0)
    site.install("good", GOOD)
    found = plugin(site, "good")
    assert found.status == "slow"
    assert found.reason.endswith("s to load")
    assert not found.imports_torch


def test_a_local_file_is_a_plugin(site, tmp_path: Path) -> None:
    file = tmp_path / "my_model.py"
    file.write_text(
        "from imgfw import hookimpl\ndef net(info): 'A net.'\n@hookimpl\ndef imgfw_models(): return [net]"
    )
    found = site.catalog().add_file("./my_model.py", file)
    assert found.providers["models"][0].qualified == "my_model.py/net"


def test_a_broken_local_file_is_an_error_with_the_reason(site, tmp_path: Path) -> None:
    file = tmp_path / "my_model.py"
    file.write_text("x = 1\nraise ValueError('nope')\n")
    with pytest.raises(
        PluginError, match=r"my_model\.py is broken: ValueError: nope \(my_model\.py, line 2\)\.$"
    ):
        site.catalog().add_file("./my_model.py", file)
    assert "imgfw_local_my_model" not in sys.modules


def test_a_local_file_that_was_edited_is_read_again(site, tmp_path: Path) -> None:
    file = tmp_path / "my_model.py"
    text = "from imgfw import hookimpl\ndef {0}(info): ...\n@hookimpl\ndef imgfw_models(): return [{0}]\n"
    file.write_text(text.format("first"))
    site.catalog().add_file("./my_model.py", file)
    file.write_text(text.format("second"))
    [provider] = site.catalog().add_file("./my_model.py", file).providers["models"]
    assert provider.name == "second"


def test_two_local_files_of_one_name_are_refused(site, tmp_path: Path) -> None:
    files = [tmp_path / folder / "my_model.py" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("")
    catalog = site.catalog()
    catalog.add_file("a/my_model.py", files[0])
    with pytest.raises(PluginError, match=r"Two plugin files are called my_model\.py"):
        catalog.add_file("b/my_model.py", files[1])


def test_the_version_of_the_api_that_a_plugin_declares_is_known(site) -> None:
    site.install("good", "IMGFW_API = 1")
    assert (plugin(site, "good").status, plugin(site, "good").api) == ("ok", 1)


def test_a_plugin_that_declares_no_version_of_the_api_works(site) -> None:
    site.install("good", GOOD)
    assert (plugin(site, "good").status, plugin(site, "good").api) == ("ok", None)
