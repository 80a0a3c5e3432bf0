"""Which processes train one model together, from the environment."""

import json

import pytest

from dlrun.errors import UsageError
from dlrun.training.devices.cluster import ALONE, LAUNCHED, read_cluster

WORKERS = ["localhost:1", "localhost:2"]


def tf_config(cluster: object, **task: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_without_variables_the_process_is_alone_and_writes_the_run() -> None:
    assert read_cluster({}) == ALONE
    assert ALONE.is_chief
    assert ALONE.resume_command("last") == "dlrun resume last"


def test_tf_config_names_the_workers_and_this_one() -> None:
    found = read_cluster({**tf_config({"worker": WORKERS}, type="worker", index=1), LAUNCHED: "1"})
    assert (found.workers, found.index, found.is_chief) == (2, 1, False)
    assert found.resume_command("a") == "dlrun launch --workers 2 --resume a"


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ([], "not a mapping"),
        ({"ps": WORKERS}, "the job 'ps'"),
        ({"worker": ["localhost"]}, "addresses of 'worker'"),
        ({"worker": WORKERS[:1] * 2}, "twice"),
        ({"chief": WORKERS}, "more than one chief"),
    ],
)
def test_a_wrong_tf_config_is_one_error_that_shows_a_right_one(cluster: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_cluster(tf_config(cluster, type="worker", index=0))
    assert '"cluster"' in caught.value.expected
