"""What `configuration.convert` may rely on in the settings of every plugin."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.collector.catalogue import Catalogue
from pillion.collector.configuration import PluginKind
from pillion.collector.configuration.conversion import keys_of
from pillion.collector.configuration.foreign import FOREIGN
from pillion.collector.configuration.settings import (
    FilterSettings,
    InputSettings,
    Kind,
    OutputSettings,
    Settings,
    named,
)

PLUGINS = [(kind, name) for kind in PluginKind for name in Catalogue().names(kind)]
SHARED: dict[PluginKind, type[Settings]] = {
    PluginKind.INPUT: InputSettings,
    PluginKind.FILTER: FilterSettings,
    PluginKind.OUTPUT: OutputSettings,
}


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=[f"{kind} {name}" for kind, name in PLUGINS])
def test_a_plugins_keys_can_be_read(kind: PluginKind, name: str) -> None:
    settings = Catalogue().settings(kind, name)
    assert issubclass(settings, SHARED[kind])
    keys = keys_of(settings)
    names = [known for key in keys for known in key.names]
    assert len(names) == len(set(names)), "each key has one meaning"
    for key in keys:
        assert key.kind is not None or key.choices or key.type in (bool, int, float, str), key.name
        assert not key.words or key.kind in (Kind.WORDS, Kind.ENTRIES), key.name
        if key.repeated and not key.required:
            assert isinstance(key.default, tuple), key.name


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=[f"{kind} {name}" for kind, name in PLUGINS])
def test_a_key_is_supported_or_without_effect_or_refused(kind: PluginKind, name: str) -> None:
    settings = Catalogue().settings(kind, name)
    supported = {known for key in keys_of(settings) for known in key.names}
    without_effect, refused = named(settings, "without_effect"), named(settings, "refused")
    assert supported & without_effect.keys() == set()
    assert supported & refused.keys() == set()
    assert without_effect.keys() & refused.keys() == set()
    for key, reason in (without_effect | refused).items():
        assert key == key.lower()
        assert reason, key


ONE_OF_SEVERAL: dict[str, dict[str, Any]] = {
    "nest": {"nested_under": "x"},
    "multiline": {"parsers": ("python",)},
}
"""Keys that may be missing, but not together with others: settings say so when they are made."""


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=[f"{kind} {name}" for kind, name in PLUGINS])
def test_settings_show_without_their_secrets(kind: PluginKind, name: str) -> None:
    settings = Catalogue().settings(kind, name)
    secrets = [key for key in keys_of(settings) if key.secret and not key.group and key.type is str]
    required = {key.field: ("x",) if key.kind else "x" for key in keys_of(settings) if key.required}
    shown = repr(
        settings(**{**required, **ONE_OF_SEVERAL.get(name, {}), **{key.field: "s3cret" for key in secrets}})
    )
    assert "s3cret" not in shown


def test_a_plugin_of_ours_is_not_called_foreign() -> None:
    for kind in PluginKind:
        assert FOREIGN[kind] & set(Catalogue().names(kind)) == set()
