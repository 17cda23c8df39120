"""Registries: found by dropping a file, refused by name with the choices."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from mobile_vla.core.errors import UnknownNameError
from mobile_vla.core.registry import Registry

MODULE = """
import sys
registry = sys.modules["registry_under_test"].registry
@registry.register("{name}")
class Entry: pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package of components, and a registry over it in the module `registry_under_test`."""
    folder = tmp_path / "components"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (tmp_path / "registry_under_test.py").write_text(
        "from mobile_vla.core.registry import Registry\nregistry = Registry('head.type', 'components')\n"
    )
    (folder / "b_second.py").write_text(MODULE.format(name="Second"))
    (folder / "a_first.py").write_text(MODULE.format(name="First"))
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("registry_under_test", "components", "components.a_first", "components.b_second", "components.c_third"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def load_registry() -> Registry[type]:
    registry: Registry[type] = importlib.import_module("registry_under_test").registry
    return registry


def test_modules_are_found_in_alphabetical_order(package: Path) -> None:
    registry = load_registry()
    assert registry.names() == ["First", "Second"]
    assert list(registry) == ["First", "Second"]


def test_one_new_file_adds_an_entry(package: Path) -> None:
    (package / "c_third.py").write_text(MODULE.format(name="Third"))
    registry = load_registry()
    assert "Third" in registry
    assert registry.get("Third").__module__ == "components.c_third"


def test_nothing_is_imported_before_the_first_look_up(package: Path) -> None:
    load_registry()
    assert "components.a_first" not in sys.modules


def test_an_unknown_name_lists_the_choices(package: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_registry().get("Frist")
    assert str(caught.value) == "head.type = 'Frist': choose one of 'First', 'Second'. Did you mean 'First'?"


def test_a_module_that_fails_to_import_is_not_swallowed_and_fails_again(package: Path) -> None:
    (package / "c_third.py").write_text("import package_that_is_not_there")
    registry = load_registry()
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="package_that_is_not_there"):
            registry.names()


def test_a_name_is_given_once() -> None:
    registry: Registry[object] = Registry("probe", "mobile_vla.core")
    entry = object()
    registry.add("blind", entry)
    registry.add("blind", entry)  # the same object again is no conflict: modules may be imported twice
    with pytest.raises(ValueError, match="probe 'blind' is registered twice"):
        registry.register("blind")(object())


def test_what_is_removed_is_gone() -> None:
    registry: Registry[object] = Registry("probe", "mobile_vla.core")
    registry.add("blind", object())
    registry.remove("blind")
    registry.remove("never there")
    assert "blind" not in registry
    assert registry.names() == []
