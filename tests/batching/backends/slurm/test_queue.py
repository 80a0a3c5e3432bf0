"""Few requests to the controller, and the patience when it does not answer."""

from collections.abc import Callable

from fake_slurm import Driven, request_for

Make = Callable[..., Driven]


def test_a_controller_that_does_not_answer_is_asked_less_often_and_reported_once(driven: Make) -> None:
    work = driven()
    work.crew.start(request_for(1))
    work.until(lambda: work.crew._tasks)
    work.queue(1, 0, "RUNNING")
    work.go(30)
    usual = work.fake.count("squeue")
    assert 5 <= usual <= 8  # every five seconds, and after a submission
    work.fake.answers(yes=False)
    work.go(150)
    assert work.fake.count("squeue") - usual <= 6
    assert len(work.warnings) == 1
    assert "does not answer (Unable to contact slurm controller (connect failure))" in work.warnings[0]
    assert not work.told
    work.fake.answers(yes=True)
    work.queue(1, 0, "NODE_FAIL")
    work.until(lambda: work.told)
    assert work.events == [(1, "lost"), (1, "gone")]
    assert work.warnings[1] == "Slurm's controller answers again"


def test_of_two_tasks_in_one_place_the_one_that_is_alive_counts(driven: Make) -> None:
    work = driven()
    work.crew.start(request_for(1))
    work.until(lambda: work.crew._tasks)
    work.queue(1, 0, "RUNNING")
    text = (work.fake.folder / "queue").read_text()
    for lines in (text + text.replace("  RUNNING", "CANCELLED"), text.replace("  RUNNING", "CANCELLED") + text):
        (work.fake.folder / "queue").write_text(lines)
        work.go(30)
        assert not work.told
