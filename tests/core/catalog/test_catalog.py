"""From a name in a recipe to the provider it means."""

from __future__ import annotations

import sys

import pytest
from imgfw import PluginError
from imgfw.catalog.catalog import Catalog, NoSuchComponentError


def models(*names: str) -> str:
    """A plugin that provides models of these names."""
    functions = "\n".join(f"def {name}(info): 'Model {name}.'" for name in names)
    return f"{functions}\n@hookimpl\ndef imgfw_models():\n    return [{', '.join(names)}]\n"


def error_of(catalog: Catalog, name: str, kind: str = "models") -> str:
    with pytest.raises(NoSuchComponentError) as caught:
        catalog.find(kind, name)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_bare_name_with_one_owner_means_that_one(site) -> None:
    site.install_builtins(models("resnet"))
    site.install("imgfw-plugin-x", models("vit"))
    assert site.catalog().find("models", "vit").qualified == "imgfw-plugin-x/vit"


def test_a_builtin_keeps_its_bare_name_and_the_other_answers_to_its_qualified_one(site) -> None:
    site.install_builtins(models("resnet"))
    site.install("imgfw-plugin-x", models("resnet"))
    catalog = site.catalog()
    assert catalog.find("models", "resnet").plugin == "imgfw"
    assert catalog.find("models", "imgfw/resnet").plugin == "imgfw"
    assert catalog.find("models", "imgfw-plugin-x/resnet").plugin == "imgfw-plugin-x"


def test_a_name_of_two_third_parties_is_refused_with_both(site) -> None:
    site.install_builtins()
    for name in ("imgfw-plugin-x", "imgfw-plugin-y"):
        site.install(name, models("vit"))
    assert error_of(site.catalog(), "vit") == (
        'several plugins provide the model "vit". Write "imgfw-plugin-x/vit" or "imgfw-plugin-y/vit".'
    )


def test_a_qualified_name_may_be_written_as_pip_lets_one_write_it(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", models("vit"))
    assert site.catalog().find("models", "Imgfw_Plugin.X/vit").qualified == "imgfw-plugin-x/vit"


@pytest.mark.parametrize("name", ["resnet", "imgfw/resnet"])
def test_a_builtin_is_found_without_importing_any_other_plugin(site, name: str) -> None:
    site.install_builtins(models("resnet"))
    module = site.install("imgfw-plugin-x", models("vit"))
    site.catalog().find("models", name)
    assert module not in sys.modules


def test_a_qualified_name_imports_its_own_plugin_only(site) -> None:
    site.install_builtins(models("resnet"))
    wanted, other = site.install("imgfw-plugin-x", models("vit")), site.install("imgfw-plugin-y")
    site.catalog().find("models", "imgfw-plugin-x/vit")
    assert wanted in sys.modules
    assert other not in sys.modules


def test_a_misspelt_name_is_answered_with_the_closest(site) -> None:
    site.install_builtins(models("resnet18", "resnet50", "vgg16"))
    assert error_of(site.catalog(), "resnet5O") == (
        'there is no model "resnet5O". Did you mean "resnet50" or "resnet18"?'
    )


def test_a_name_unlike_any_other_is_answered_with_the_command_that_lists_them(site) -> None:
    site.install_builtins(models("resnet"))
    assert error_of(site.catalog(), "qqq") == 'there is no model "qqq". See: imgfw list models'


def test_a_name_of_another_kind_is_recognised(site) -> None:
    site.install_builtins(
        "def adam(parameters): ...\n@hookimpl\ndef imgfw_optimizers():\n    return [adam]\n"
    )
    assert error_of(site.catalog(), "adam") == 'there is no model "adam". It is the name of an optimizer.'


def test_a_broken_plugin_is_mentioned_where_a_name_is_missing(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", "raise RuntimeError")
    assert error_of(site.catalog(), "vit") == (
        'there is no model "vit". '
        "(The plugin imgfw-plugin-x is broken and may provide it: imgfw list-plugins.)"
    )


def test_a_qualified_name_of_a_plugin_that_is_not_installed_says_what_to_install(site) -> None:
    site.install_builtins()
    assert error_of(site.catalog(), "imgfw-plugin-x/vit") == (
        '"imgfw-plugin-x/vit" is from the plugin imgfw-plugin-x, which is not installed. '
        "Run: pip install imgfw-plugin-x"
    )


def test_a_qualified_name_of_a_misspelt_plugin_is_answered_with_the_closest(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-tiny", models("vit"))
    assert error_of(site.catalog(), "imgfw-plugin-tinny/vit").endswith('Did you mean "imgfw-plugin-tiny"?')


def test_a_qualified_name_that_its_plugin_does_not_have_is_answered_with_the_closest(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", models("vit"))
    assert error_of(site.catalog(), "imgfw-plugin-x/vitt") == (
        'the plugin imgfw-plugin-x has no model "vitt". Did you mean "vit"?'
    )


def test_a_qualified_name_of_a_broken_plugin_is_answered_with_the_reason(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", "raise RuntimeError('old torch')")
    assert error_of(site.catalog(), "imgfw-plugin-x/vit") == (
        "the plugin imgfw-plugin-x is broken: RuntimeError: old torch (imgfw_plugin_x.py, line 3)."
    )


def test_a_disabled_plugin_is_listed_but_neither_imported_nor_used(site) -> None:
    site.install_builtins()
    module = site.install("imgfw-plugin-x", models("vit"))
    catalog = site.catalog("no:imgfw-plugin-x")
    assert [(item.name, item.status) for item in catalog.plugins()][1] == ("imgfw-plugin-x", "disabled")
    assert module not in sys.modules
    assert "is disabled: left out by -p or IMGFW_PLUGINS." in error_of(catalog, "imgfw-plugin-x/vit")


def test_rivals_of_a_builtin_are_the_providers_of_its_name_in_plugins_loaded_already(site) -> None:
    site.install_builtins(models("resnet"))
    site.install("imgfw-plugin-x", models("resnet", "vit"))
    catalog = site.catalog()
    resnet = catalog.find("models", "resnet")
    assert catalog.rivals(resnet) == []
    catalog.find("models", "vit")
    assert [rival.qualified for rival in catalog.rivals(resnet)] == ["imgfw-plugin-x/resnet"]


def test_each_plugin_is_loaded_once(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", models("vit"))
    catalog = site.catalog()
    assert catalog.find("models", "vit") is catalog.find("models", "imgfw-plugin-x/vit")


def test_without_the_builtins_nothing_works_and_the_error_says_how_to_get_them(site) -> None:
    with pytest.raises(PluginError, match=r"imgfw's own components are not installed\. Install"):
        site.catalog().find("models", "resnet")


def test_builtins_that_cannot_be_loaded_are_an_error_with_the_reason(site) -> None:
    site.install_builtins("import nowhere_to_be_found")
    with pytest.raises(PluginError, match="cannot be loaded: ModuleNotFoundError"):
        site.catalog().find("models", "resnet")


def test_a_requirement_that_is_met_loads_the_plugin(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", models("vit"), version="0.3")
    assert site.catalog().require("imgfw_plugin_x>=0.2").status == "ok"


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("imgfw-plugin-z", "The plugin imgfw-plugin-z is not installed. Run: pip install 'imgfw-plugin-z'"),
        (
            "imgfw-plugin-x>=0.4",
            "The plugin imgfw-plugin-x is installed in version 0.3, not >=0.4. "
            "Run: pip install 'imgfw-plugin-x>=0.4'",
        ),
        ("imgfw plugin", '\'imgfw plugin\' names no plugin. Write "imgfw-plugin-x>=0.2" or "./file.py".'),
        (
            "imgfw-plugin-bad",
            "The plugin imgfw-plugin-bad is broken: ValueError: x (imgfw_plugin_bad.py, line 3).",
        ),
    ],
)
def test_a_requirement_that_is_not_met_is_an_error(site, requirement: str, message: str) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x", version="0.3")
    site.install("imgfw-plugin-bad", "raise ValueError('x')")
    with pytest.raises(PluginError) as caught:
        site.catalog().require(requirement)
    assert str(caught.value) == message


def test_a_plugin_of_unknown_version_meets_only_a_requirement_without_one(site) -> None:
    site.install_builtins()
    site.install("imgfw-plugin-x")
    (site.folder / "imgfw_plugin_x-0.1.dist-info").rename(site.folder / "imgfw_plugin_x.egg-info")
    assert site.catalog().require("imgfw-plugin-x").status == "ok"
    with pytest.raises(PluginError, match=r"installed in version unknown, not >=0\.1"):
        site.catalog().require("imgfw-plugin-x>=0.1")
