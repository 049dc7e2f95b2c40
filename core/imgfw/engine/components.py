"""Calling a provider: with what it asks for, and with what the recipe gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgfw.contract.errors import ImgfwError, PluginError, Problem, RecipeError
from imgfw.recipe.nodes import Node, map_nodes


def build(node: Node, offered: Mapping[str, Any]) -> Any:
    """Call a provider with what it asks for and what the recipe gives, its components built first.

    Args:
        node: the component.
        offered: what imgfw offers, by parameter name.

    Raises:
        RecipeError: the provider refuses its settings (ValueError).
        PluginError: the provider fails otherwise.
    """
    provider = node.provider
    given = [offered[name] for name in provider.asks_for]
    settings = map_nodes(node.values, lambda child: build(child, offered))
    try:
        return provider.factory(*given, **settings)
    except ImgfwError:
        raise
    except ValueError as error:
        raise RecipeError([Problem(node.path, str(error), provider=provider.qualified)]) from error
    except Exception as error:
        raise PluginError(
            f"{node.path}: {provider.qualified} failed: {type(error).__name__}: {error}",
            "IMGFW_DEBUG=1 shows where.",
        ) from error
