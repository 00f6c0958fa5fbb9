"""Urgent means now: what is urgent starts next, whatever waits in front of it."""

from dataclasses import replace

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import Narrow
from tests.support.waiting import until

PAGE = Reply(body=ARTICLE)
BULK = 6


def test_lanes_are_served_in_order_of_urgency_not_of_arrival(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    occupying = stack.submit(url=origin.on("/occupying", replace(PAGE, delay_s=2)), pipeline="extract", lane="bulk")
    until(lambda: origin.order, within_s=20, what="the worker to be occupied")
    lanes = ["bulk"] * BULK + ["normal", "urgent"]
    ids = [
        stack.submit(url=origin.on(f"/{lane}/{number}", PAGE), pipeline="extract", lane=lane)
        for number, lane in enumerate(lanes)
    ]
    assert origin.order == ["/occupying"]

    views = stack.wait_all([occupying, *ids])
    assert {view["status"] for view in views} == {"succeeded"}
    assert origin.order[1:3] == [f"/urgent/{BULK + 1}", f"/normal/{BULK}"]
    assert sorted(origin.order[3:]) == [f"/bulk/{number}" for number in range(BULK)]


def test_a_retry_keeps_its_lane(narrow: Narrow, origin: OrderedOrigin) -> None:
    stack = narrow.stack
    busy = replace(PAGE, delay_s=0.5)
    urgent = stack.submit(url=origin.on("/urgent", Reply(500), PAGE), pipeline="extract", lane="urgent")
    bulk = [stack.submit(url=origin.on(f"/bulk/{n}", busy), pipeline="extract", lane="bulk") for n in range(BULK)]
    views = stack.wait_all([urgent, *bulk])
    assert {view["status"] for view in views} == {"succeeded"}
    assert {view["lane"] for view in views[1:]} == {"bulk"}
    # The first retry waits for a second at most, in which the worker begins three bulk jobs; as bulk it came last.
    assert origin.order.index("/urgent", 1) < BULK, origin.order
