from pathlib import Path

import pytest

from dlrun.batching.backends import choose
from dlrun.batching.backends.backend import LOCAL, Placement
from dlrun.batching.backends.defaults import choose_placement
from dlrun.errors import SpecError


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setitem(choose.BACKENDS, "moon", "another machine")
    (tmp_path / "dlrun").mkdir()
    return tmp_path / "dlrun" / "defaults.yaml"


def test_without_a_file_and_options_runs_train_here(defaults: Path) -> None:
    assert not defaults.exists()
    assert choose_placement() == LOCAL
    assert choose_placement(cpus_per_run=2) == Placement(cpus_per_run=2)


def test_the_file_chooses_and_is_named_as_the_reason(defaults: Path) -> None:
    defaults.write_text("engine: moon\n")
    assert choose_placement() == Placement("moon", origin=f"from {defaults}")
    defaults.write_text("engine: {on: moon, gpus_per_run: 0.5, cpus_per_run: 4}\n")
    assert choose_placement(cpus_per_run=1) == Placement("moon", 0.5, 1, f"from {defaults}")
    assert str(choose_placement()) == f"moon (from {defaults})"


def test_an_option_replaces_the_engine_of_the_file_as_a_whole(defaults: Path) -> None:
    defaults.write_text("engine: {on: moon, gpus_per_run: 0.5}\n")
    assert choose_placement("local") == LOCAL


@pytest.mark.parametrize("text", ["", "# engine: moon\n", "engine: local\n", "{}"])
def test_a_file_that_chooses_nothing_means_this_machine(defaults: Path, text: str) -> None:
    defaults.write_text(text)
    assert choose_placement() == LOCAL


def test_every_mistake_in_the_file_is_shown_with_its_place(defaults: Path) -> None:
    defaults.write_text("engine:\n  on: mon\n  gpus_per_run: 1\n  cpu_per_run: 2\nlanguage: english\n")
    with pytest.raises(SpecError) as error:
        choose_placement()
    found = [(problem.line, problem.what) for problem in error.value.problems]
    assert (2, "there is no engine 'mon' to train runs on") in found
    assert (4, "unknown key 'cpu_per_run' in the defaults.engine") in found
    assert (5, "unknown key 'language' in the defaults") in found
    assert error.value.problems[0].origin == str(defaults)


def test_the_options_of_slurm_are_checked_in_their_place_and_replaced_by_those_of_the_command_line(
    defaults: Path,
) -> None:
    defaults.write_text('engine: {on: slurm, slurm: "partition=gpu,time=4:00:00"}\n')
    assert choose_placement().slurm == ("partition=gpu,time=4:00:00",)
    assert choose_placement(slurm=("mem=2G",)).slurm == ("mem=2G",)
    defaults.write_text("engine:\n  on: slurm\n  slurm: partiton=gpu\n")
    with pytest.raises(SpecError) as error:
        choose_placement()
    (problem,) = error.value.problems
    assert (problem.line, problem.what) == (3, "--slurm: 'partiton' is not an option of sbatch by its long name")
