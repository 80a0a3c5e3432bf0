"""The order of the layers, and what may be imported where; see DESIGN: each layer imports only lower ones."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "dlrun"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = """
errors names component signature decision monotone value_transform
---
registry scoring
---
system
---
keras_table plugins yaml_tree
---
data models tracking
optimizers schedules rate_schedule losses metrics
---
runs
---
spec
---
training report init_config
---
experiment benchmark
---
evaluation prediction explanation exporting launch
---
batching gpu_check
---
search
---
cli
---
__init__ __main__
"""
"""The layers, the lowest first."""
LEVELS = {name: level for level, names in enumerate(LAYERS.split("---")) for name in names.split()}
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "matplotlib", "PIL"}
READS_HDF5 = SOURCE / "training" / "transfer" / "weights_file.py"  # files with weights that the user names
ONLY_IN_CLI = {"typer", "rich"}
WITHOUT_TENSORFLOW_IN_TRAINING = {
    "jit_cache", "pace", "timeline", "events", "checkpoint", "cluster", "state", "doctor", "gpus", "__init__",
}  # fmt: skip


def part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_only: bool) -> Iterator[str]:
    yield from (name for name, is_at_top in _all_imports(path) if is_at_top or not top_only)


@functools.cache
def _all_imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """Return the names that a module imports, each with whether that happens when it is imported itself."""
    found: list[tuple[str, bool]] = []
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text()), True)]
    while waiting:
        node, is_at_top = waiting.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, is_at_top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, is_at_top))
            found += [(f"{node.module}.{alias.name}", is_at_top) for alias in node.names]
        is_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(node)
        waiting += [(below, is_at_top and not is_later) for below in ast.iter_child_nodes(node)]
    return tuple(found)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_every_module_has_a_layer() -> None:
    assert {part(path) for path in FILES} <= LEVELS.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_imports_a_higher_layer(path: Path) -> None:
    for name in imports(path, top_only=False):
        names = name.split(".")
        if names[0] == "dlrun" and len(names) > 1 and names[1] in LEVELS:
            assert LEVELS[names[1]] <= LEVELS[part(path)], f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_and_terminal_libraries_are_imported_only_where_they_belong(path: Path) -> None:
    top = {name.split(".")[0] for name in imports(path, top_only=True)}
    in_training = part(path) == "training" and path.stem not in WITHOUT_TENSORFLOW_IN_TRAINING
    # The programs of processes of their own
    in_training |= path in (SOURCE / "benchmark" / "measure.py", SOURCE / "benchmark" / "rate_sweep.py")
    assert in_training or not top & HEAVY
    everywhere = {name.split(".")[0] for name in imports(path, top_only=False)}
    assert part(path) == "cli" or not everywhere & ONLY_IN_CLI


def test_data_and_models_never_import_each_other() -> None:
    for mine, other in (("data", "models"), ("models", "data")):
        for path in (SOURCE / mine).rglob("*.py"):
            assert not any(name.startswith(f"dlrun.{other}") for name in imports(path, top_only=False)), path


def test_the_library_never_prints_and_never_loads_code_from_a_file() -> None:
    for path in FILES:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        assert not names & {"print", "eval", "exec"}, path
        assert not attributes & {"load_model", "load_weights", "model_from_json"}, path
        forbidden = {"pickle", "dill"} if path == READS_HDF5 else {"pickle", "dill", "h5py"}
        assert not {name.split(".")[0] for name in imports(path, top_only=False)} & forbidden, path


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import dlrun", ["pydantic", "numpy", "yaml", "typer", "tensorflow"]),
        ("import dlrun.cli.app", ["pydantic", "numpy", "yaml", "rich", "tensorflow"]),
        (
            "import dlrun.spec.parse, dlrun.runs.query.catalog, dlrun.experiment.train",
            ["tensorflow", "keras", "rich", "typer", "PIL"],
        ),
        (
            "from dlrun.cli.app import app; app(['validate', 'configs/digits_cnn.yaml'], standalone_mode=False)",
            ["matplotlib", "PIL"],
        ),
    ],
)
def test_an_import_brings_only_what_it_needs(code: str, absent: list[str]) -> None:
    check = (
        f"{code}; import sys; found = [name for name in {absent} if name in sys.modules]; sys.exit(str(found or ''))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert not done.stderr.strip()
