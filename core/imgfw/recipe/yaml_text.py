"""YAML as a recipe may hold it: what JSON can say, and nothing that would take its reader by surprise."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """No aliases (a short text could stand for gigabytes), no tags, no key twice, keys that are words."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        refused = "aliases (*name)" if isinstance(event, yaml.AliasEvent) else event.tag and "tags (!name)"
        if refused:
            raise yaml.composer.ComposerError(None, None, f"{refused} are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else None
            if word is None or word in seen:
                reason = "a key must be a word" if word is None else f'the key "{word}" stands twice'
                raise yaml.constructor.ConstructorError(None, None, reason, key.start_mark)
            seen.add(word)
        return super().construct_mapping(node, deep)


def _use_numbers_and_words_of_json() -> None:
    """YAML 1.1 reads `off` as false, `12:30` as 750 and `1e-3` as a string; JSON has none of that."""
    exponent = r"(?:[eE][-+]?\d+)"
    meanings = {
        "null": (r"null|~|", ["n", "~", ""]),
        "bool": (r"true|false", ["t", "f"]),
        "int": (r"-?(?:0|[1-9]\d*)", list("-0123456789")),
        "float": (rf"-?(?:0|[1-9]\d*)(?:\.\d+{exponent}?|{exponent})", list("-0123456789")),
    }
    _Loader.yaml_implicit_resolvers = {}
    for name, (pattern, firsts) in meanings.items():
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), firsts)


_use_numbers_and_words_of_json()


def parse_yaml(text: str) -> Any:
    """Read one YAML document.

    Raises:
        yaml.YAMLError: it is malformed, uses aliases or tags, or has a key twice.
    """
    return yaml.load(text, Loader=_Loader)
