"""Records: small named values, and who leads."""

from tests.support.at_once import at_once
from tests.support.jobs import World


def test_a_marker_is_what_was_set_last(world: World) -> None:
    assert world.records.marker("incarnation") is None
    for value in ("one", "two", "two"):
        world.records.set_marker("incarnation", value)
    assert world.records.marker("incarnation") == "two"
    assert world.records.marker("other") is None


def test_one_leads_until_its_lease_runs_out(world: World) -> None:
    assert world.records.lead("keeper", "a", lease_s=30)
    assert not world.records.lead("keeper", "b", lease_s=30)
    assert world.records.marker("keeper") == "a"
    world.pass_time(31)
    assert world.records.lead("keeper", "b", lease_s=30)
    assert not world.records.lead("keeper", "a", lease_s=30)


def test_one_that_asks_in_time_goes_on_leading(world: World) -> None:
    for _ in range(3):
        assert world.records.lead("keeper", "a", lease_s=30)
        world.pass_time(25)
        assert not world.records.lead("keeper", "b", lease_s=30)


def test_each_name_has_its_own_leader(world: World) -> None:
    assert world.records.lead("keeper", "a", lease_s=30)
    assert world.records.lead("retention", "b", lease_s=30)


def test_one_of_many_leads(world: World) -> None:
    for number in range(10):
        asks = [lambda holder=holder: world.records.lead(f"{number}", holder, lease_s=30) for holder in "abcd"]  # noqa: B023
        assert sorted(at_once(*asks)) == [False, False, False, True]


def test_nobody_leads_once_the_lease_has_run_out(world: World) -> None:
    assert world.records.leader("keeper") is None
    world.records.lead("keeper", "a", lease_s=30)
    world.records.set_marker("incarnation", "a")
    assert world.records.leader("keeper") == "a"
    world.pass_time(31)
    assert world.records.leader("keeper") is None
    assert world.records.leader("incarnation") is None
