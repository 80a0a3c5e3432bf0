"""A file inside a run folder is recognized as such."""

from pathlib import Path

from dlrun.runs.enclosing import folder_around


def test_the_run_around_a_file_is_found_by_its_path_and_through_links(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    (run / "code").mkdir(parents=True)
    (run / "run.json").touch()
    (run / "spec.yaml").touch()
    (tmp_path / "link.yaml").symlink_to(run / "spec.yaml")
    for file in (run / "spec.yaml", run / "code" / "absent.py", tmp_path / "link.yaml"):
        assert folder_around(file) == run


def test_a_file_outside_of_every_run_has_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()  # a folder of this name is not a record
    assert folder_around(tmp_path / "a.yaml") is None
