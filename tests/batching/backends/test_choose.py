from typing import Any

import pytest

from dlrun.batching.backends.backend import Placement
from dlrun.batching.backends.choose import check_placement, name_of
from dlrun.errors import UsageError


@pytest.mark.parametrize("options", [{"gpus_per_run": 0.5}, {"cpus_per_run": 2}])
def test_resources_mean_nothing_on_this_machine(options: Any) -> None:
    with pytest.raises(UsageError, match=r"--(gpus|cpus)-per-run is .* each sees all cores"):
        check_placement(Placement(**options), jobs=None)
    check_placement(Placement(), jobs=2)


@pytest.mark.parametrize("on", ["locl", "local://here", "k8s", "", "local://"])
def test_an_unknown_engine_is_refused_with_those_there_are(on: str) -> None:
    with pytest.raises(UsageError, match="there is no engine") as error:
        name_of(on)
    assert "local (this machine)" in error.value.expected
    assert ("'local'" in error.value.hint) == (on == "locl")
