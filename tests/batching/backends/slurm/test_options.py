from typing import Any

import pytest

from dlrun.batching.backends.slurm.options import parse_options, time_limit_seconds
from dlrun.errors import UsageError


def test_options_are_split_at_commas_that_begin_another_option() -> None:
    values = ["partition=gpu,gres=gpu:a100:1,tmp:10G,time=4:00:00", "--nodelist=n1,n2,exclusive", "hold"]
    assert parse_options(values) == (
        ("partition", "gpu"), ("gres", "gpu:a100:1,tmp:10G"), ("time", "4:00:00"), ("nodelist", "n1,n2"),
        ("exclusive", ""), ("hold", ""),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("partiton=gpu", "'partiton' is not an option of sbatch"),
        ("p=gpu", "'p' is not an option of sbatch by its long name"),
        ("array=0-3", "array is set by dlrun"),
        ("requeue", "requeue is set by dlrun"),
        ("signal=B:TERM@60", "signal is set by dlrun: dlrun lets each run write a checkpoint"),
        ("mem", "mem needs a value"),
        ("mem=", "mem has no value"),
        ("hold=yes", "hold takes no value"),
        ('constraint="a"', "constraint has quotes"),
        ("account=a\n#SBATCH --uid=0", "account has quotes, a backslash or control characters"),
        ("mem=1G,mem=2G", "mem is given twice"),
    ],
)
def test_a_wrong_option_is_refused(value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_options([value])


def test_all_wrong_options_are_reported_at_once_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"partiton.*; output is set by dlrun") as error:
        parse_options(["partiton=gpu,mem=1G", "output=x"])
    assert error.value.hint == "did you mean 'partition'?"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 5400), ("1:30", 90), ("4:00:00", 14400), ("2-12", 216000), ("1-0:30", 88200), ("1-0:0:5", 86405),
     ("0", None), ("UNLIMITED", None)],
)  # fmt: skip
def test_a_time_limit_is_read_as_sbatch_does(text: str, seconds: float | None) -> None:
    assert time_limit_seconds((("time", text),)) == seconds


@pytest.mark.parametrize("text", ["4h", "1:2:3:4", "-", "1-"])
def test_a_time_limit_in_another_form_is_refused(text: Any) -> None:
    with pytest.raises(UsageError, match="time is"):
        time_limit_seconds((("time", text),))
