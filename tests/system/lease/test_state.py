"""A state is a file name, and a name is a state again."""

from dataclasses import replace

import pytest

from dlrun.errors import UsageError
from dlrun.system.lease.process import this_process
from dlrun.system.lease.state import LeaseState, first_state, lease_seconds, newest_state


def test_a_state_survives_being_a_file_name() -> None:
    held = replace(first_state(LeaseState(41)), beat=17)
    assert newest_state([held.name]) == held
    assert (held.token, held.owner, held.seconds) == (42, this_process(), 120.0)
    assert newest_state([held.freed().name]) == held.freed() == LeaseState(42)
    longest = replace(held, owner=replace(this_process(), host="h" * 40, number=4_194_304, namespace="4294967295"))
    assert newest_state([longest.name]) == longest
    assert len(longest.name) < 144  # what encrypted home folders allow


def test_of_two_names_the_later_one_counts_and_others_do_not() -> None:
    held = first_state(LeaseState(8))
    names = [held.name, held.renewed().name, ".nfs0001", held.name + "x", "00000099.held", "٠٠٠٠٠٠٩٩.free"]
    assert newest_state(names) == held.renewed()
    assert newest_state([held.name, held.freed().name]) == held.freed()
    assert newest_state([held.freed().name, (later := first_state(held)).name]) == later
    assert newest_state(["", "x"]) is None


def test_no_two_holdings_are_equal() -> None:
    assert first_state(None) != first_state(None)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "1e9"])
def test_a_wrong_time_of_a_lease_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_LEASE_SECONDS", "0.5")
    assert lease_seconds() == 0.5
    monkeypatch.setenv("DLRUN_LEASE_SECONDS", text)
    with pytest.raises(UsageError, match="DLRUN_LEASE_SECONDS is"):
        first_state(None)
