"""A lease of another machine expires by the clock of who looks, and only while it is looked at."""

from dlrun.system.lease.state import LeaseState, first_state
from dlrun.system.lease.watch import Watch


class Clock:
    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


def test_a_lease_expires_after_it_was_seen_unchanged_for_its_whole_time() -> None:
    clock = Clock()
    watch, state = Watch(clock), first_state(None)
    assert not watch.has_expired("a", state)
    clock.now += 119.9
    assert not watch.has_expired("a", state)
    assert not watch.has_expired("b", state)
    clock.now += 0.2
    assert watch.has_expired("a", state)
    assert not watch.has_expired("b", state)


def test_a_renewal_and_another_holder_begin_the_time_again() -> None:
    clock = Clock()
    watch, state = Watch(clock), first_state(None)
    assert not watch.was_renewed("a")
    for later in (state.renewed(), first_state(LeaseState(1)), first_state(LeaseState(1))):
        watch.has_expired("a", state)
        clock.now += 1000.0
        assert not watch.has_expired("a", later)
        assert watch.was_renewed("a") == (later.nonce == state.nonce)
        state = later
    clock.now += 121.0
    assert watch.has_expired("a", state)
    watch.forget("a")
    assert not watch.has_expired("a", state)
