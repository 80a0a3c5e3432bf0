"""Arrays as few as the limits permit, and none submitted twice."""

import re
from collections.abc import Callable

import pytest

from dlrun.errors import RunError
from fake_slurm import Driven, request_for

Make = Callable[..., Driven]


def asked(driven: Make, count: int, **options: object) -> Driven:
    work = driven(**options)
    for number in range(1, count + 1):
        work.crew.start(request_for(number))
    return work


def arrays(work: Driven) -> list[str]:
    return [match[1] for script in work.fake.scripts if (match := re.search(r'--array="(.*)"', script))]


def test_a_batch_larger_than_an_array_is_split_and_its_parts_follow_each_other_if_few_may_run(driven: Make) -> None:
    work = asked(driven, 5, largest=2)
    work.until(lambda: len(work.crew._tasks) == 5)
    assert arrays(work) == ["0-1", "0-1", "0-0"]
    assert "--dependency" not in "".join(work.fake.scripts)


def test_the_parts_of_a_batch_follow_each_other_if_only_some_runs_may_train_at_a_time(driven: Make) -> None:
    work = asked(driven, 5, largest=2, at_once=1)
    work.until(lambda: len(work.crew._tasks) == 5)
    assert arrays(work) == ["0-1%1", "0-1%1", "0-0"]
    found = [re.findall(r'--dependency="(.*)"', script) for script in work.fake.scripts]
    assert found == [[], ["afterany:1"], ["afterany:2"]]


def test_a_refused_array_is_an_error_in_the_words_of_sbatch_and_leaves_no_files(driven: Make) -> None:
    work = asked(driven, 2)
    work.fake.refuse("invalid partition specified: gpus")
    with pytest.raises(RunError, match="refuses an array of 2 runs: invalid partition specified: gpus"):
        work.go(60)
    assert [path.name for path in work.script.folder.path.iterdir()] == ["token"]


def test_a_limit_of_jobs_makes_smaller_arrays_and_then_waits_for_room(driven: Make) -> None:
    work = asked(driven, 4)
    for _ in range(2):
        work.fake.refuse("Batch job submission failed: Job violates accounting/QOS policy (job submit limit, ...)")
    work.until(lambda: arrays(work) == ["0-0"])
    work.fake.refuse("Batch job submission failed: QOSMaxSubmitJobPerUserLimit")
    work.go(20)
    assert arrays(work) == ["0-0"]
    assert "takes no more jobs now" in work.warnings[0]
    work.until(lambda: len(work.crew._tasks) == 4)
    assert arrays(work) == ["0-0"] * 4


def test_a_limit_without_room_for_one_run_is_an_error(driven: Make) -> None:
    work = asked(driven, 1)
    work.fake.refuse("Batch job submission failed: AssocMaxSubmitJobLimit")
    with pytest.raises(RunError, match="AssocMaxSubmitJobLimit"):
        work.go(60)


@pytest.mark.parametrize("is_accepted", [True, False])
def test_an_array_whose_submission_was_not_answered_is_looked_for_before_it_is_submitted_again(
    driven: Make, *, is_accepted: bool
) -> None:
    work = asked(driven, 2)
    work.fake.answers(yes=False)
    work.fake.refuse(
        "Batch job submission failed: Socket timed out on send/recv operation", though_accepted=is_accepted
    )
    work.go(60)
    assert arrays(work) == (["0-1"] if is_accepted else [])
    assert not work.crew._tasks
    work.fake.answers(yes=True)
    work.until(lambda: len(work.crew._tasks) == 2)
    work.go(30)
    assert arrays(work) == ["0-1"]
