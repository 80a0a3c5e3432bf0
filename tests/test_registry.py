from pathlib import Path

import pytest

from dlrun.component import Component
from dlrun.errors import UsageError
from dlrun.registry import Registry


class Thing(Component):
    """A thing."""


class Other(Component):
    """Another."""


def test_a_registered_class_is_found_by_its_name_and_knows_it() -> None:
    registry: Registry[Component] = Registry("thing")
    registry.register("thing")(Thing)
    assert registry.find("thing") is Thing
    assert Thing.type_name == "thing"
    assert registry.find("nothing") is None
    assert registry.names() == ("thing",)
    assert registry.origin("thing") == __file__


def test_lazy_names_are_known_before_their_class_is_loaded() -> None:
    registry: Registry[Component] = Registry("thing")
    made: list[str] = []

    def load(name: str) -> type[Component]:
        made.append(name)
        return Thing

    registry.register_lazily(["a", "b"], load, origin="table")
    assert (registry.names(), made) == (("a", "b"), [])
    assert registry.find("b") is Thing
    assert made == ["b"]


def test_a_duplicate_name_is_an_error_that_names_both_files() -> None:
    registry: Registry[Component] = Registry("thing")
    registry.register_lazily(["thing"], lambda _: Thing, origin="first.py")
    with pytest.raises(UsageError) as caught:
        registry.register("thing")(Other)
    assert "first.py" in caught.value.what
    assert __file__ in caught.value.what


def test_a_file_that_is_loaded_again_keeps_its_names() -> None:
    registry: Registry[Component] = Registry("thing")
    registry.register("thing")(Thing)
    registry.register("thing")(Other)
    assert registry.find("thing") is Other


def test_entry_points_of_other_packages_are_found_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "extra-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: extra\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[dlrun.models]\nfrom_package = extra_models:Extra\n")
    (tmp_path / "extra_models.py").write_text(
        "from dlrun.component import Component\n\n\nclass Extra(Component):\n    '''From a package.'''\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[Component] = Registry("model")
    assert "from_package" in registry.names()
    found = registry.find("from_package")
    assert found is not None
    assert found.type_name == "from_package"
