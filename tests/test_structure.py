"""The shape of the source tree: no circles, one class for a name, packages of a size that can be looked over."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "dlrun"
PATHS = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
PACKAGES = {name for name, path in PATHS.items() if path.stem == "__init__"}
MOST_MODULES = 16
"""Of one package, besides `__init__`."""
LEAST_SHARE_WITH_TESTS = 0.6
"""Modules with tests in the place that mirrors their own."""

# What still offends, with the name of the offender. These lists only ever become shorter.
MODULES_IN_CIRCLES: set[str] = set()
PACKAGES_IN_CIRCLES: dict[str, set[str]] = {}
LARGE_PACKAGES: set[str] = set()
SHARED_CLASS_NAMES: set[str] = set()


@cache
def tree_of(name: str) -> ast.Module:
    """Parse a module; not while tests are collected, which each process of the suite does."""
    return ast.parse(PATHS[name].read_text())


def imported_modules(name: str) -> set[str]:
    """Return the modules of dlrun that a module imports anywhere: at its top, in functions, for its annotations."""
    found: set[str] = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = members & PATHS.keys()
            found.update(modules)
            if len(modules) < len(members):
                found.add(node.module)
    return (found & PATHS.keys()) - {name}


@cache
def imports() -> dict[str, set[str]]:
    """Return for each module those that it imports."""
    return {name: imported_modules(name) for name in PATHS}


def in_circles(arrows: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the nodes of a graph from which a path leads back to themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(arrows.get(start, ()))
        while waiting:
            if (node := waiting.pop()) not in seen:
                seen.add(node)
                waiting.extend(arrows.get(node, ()))
        return seen

    return {node for node in arrows if node in reached(node)}


def arrows_inside(package: str) -> dict[str, set[str]]:
    """Return which parts of a package, modules and sub-packages, import which others of it."""
    prefix, arrows = f"{package}.", defaultdict[str, set[str]](set)
    for name, imported in imports().items():
        for other in imported:
            if name.startswith(prefix) and other.startswith(prefix):
                mine, its = (each.removeprefix(prefix).split(".")[0] for each in (name, other))
                if mine != its:
                    arrows[mine].add(its)
    return arrows


def test_circles_are_found() -> None:
    assert in_circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"]}) == {"b", "c"}
    assert in_circles({"a": ["a"]}) == {"a"}
    assert not in_circles({"a": ["b", "c"], "b": ["c"]})


def test_imports_inside_functions_are_seen() -> None:
    assert "dlrun.cli.app" in imports()["dlrun.cli"]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert in_circles(imports()) <= MODULES_IN_CIRCLES


def test_no_part_of_a_package_imports_itself_by_way_of_other_parts() -> None:
    modules = {name.rpartition(".")[2] for name in MODULES_IN_CIRCLES}
    for package in PACKAGES:
        allowed = PACKAGES_IN_CIRCLES.get(package.removeprefix("dlrun."), set())
        assert in_circles(arrows_inside(package)) <= allowed | modules, package


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict[str, list[str]](list)
    for module in PATHS:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    twice = {name: modules for name, modules in places.items() if len(modules) > 1 and name not in SHARED_CLASS_NAMES}
    assert not twice, twice


def test_no_package_has_too_many_modules() -> None:
    for package in PACKAGES - LARGE_PACKAGES:
        modules = [path for path in PATHS[package].parent.glob("*.py") if path.stem != "__init__"]
        assert len(modules) <= MOST_MODULES, package


def test_nobody_imports_the_experiment_for_a_constant() -> None:
    for module in PATHS:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlrun.experiment"):
                constants = {alias.name for alias in node.names if alias.name.isupper()}
                assert not constants or module.startswith("dlrun.experiment"), (module, constants)


def test_most_modules_have_a_test_file_of_their_own() -> None:
    modules = [path.relative_to(SOURCE) for path in PATHS.values() if path.stem != "__init__"]
    tests = Path(__file__).parent
    alone = [str(path) for path in modules if not (tests / path.parent / f"test_{path.stem}.py").exists()]
    share = 1 - len(alone) / len(modules)
    assert share >= LEAST_SHARE_WITH_TESTS, f"{share:.1%} of {len(modules)}; without a test: {', '.join(alone)}"
