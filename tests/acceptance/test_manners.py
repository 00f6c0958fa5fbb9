"""How the whole stack visits a host: by its robots.txt, at its pace, with patience."""

from itertools import pairwise

from tests.support.articles import ARTICLE
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, outcomes
from tests.support.waiting import until

CRAWL_DELAY_S = 0.5
PAGES = 20


def robots(origin: OrderedOrigin, rules: str) -> None:
    origin.on("/robots.txt", Reply(body=f"User-agent: *\n{rules}\n", content_type="text/plain"))


def test_many_pages_of_one_host_are_fetched_at_its_pace_and_nobody_asks_twice_whose_turn_it_is(
    stack: LiveStack, origin: OrderedOrigin
) -> None:
    robots(origin, f"Crawl-delay: {CRAWL_DELAY_S}")
    urls = [origin.on(f"/{number}", Reply(body=ARTICLE)) for number in range(PAGES)]
    jobs = stack.wait_all([stack.submit(url=url, pipeline="extract") for url in urls])
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert len(origin.order) == PAGES
    gaps = [later - sooner for sooner, later in pairwise(origin.asked_at)]
    assert sum(gaps) >= (PAGES - 2) * CRAWL_DELAY_S
    attempts = [outcomes(job["stages"][0]) for job in jobs]
    assert {outcome for each in attempts for outcome in each} <= {"postponed", "succeeded"}
    assert sum(map(len, attempts)) <= 3 * PAGES
    assert {job["stages"][0]["attempts"] for job in jobs} == {1}
    assert origin.hits("/robots.txt") <= 3


def test_an_urgent_page_goes_before_all_others_of_its_host(stack: LiveStack, origin: OrderedOrigin) -> None:
    robots(origin, "Crawl-delay: 1")
    urls = [origin.on(f"/{number}", Reply(body=ARTICLE)) for number in range(12)]
    bulk = [stack.submit(url=url, lane="bulk", pipeline="extract") for url in urls]
    first = stack.wait(bulk[0])
    urgent = stack.submit(url=origin.on("/urgent", Reply(body=ARTICLE)), lane="urgent", pipeline="extract")
    jobs = stack.wait_all([*bulk, urgent])
    assert {job["status"] for job in (first, *jobs)} == {"succeeded"}
    assert origin.order.index("/urgent") < 8


def test_what_a_host_does_not_allow_fails_unless_a_job_is_exempt(stack: LiveStack, origin: OrderedOrigin) -> None:
    robots(origin, "Disallow: /private")
    url = origin.on("/private", Reply(body=ARTICLE))
    refused = stack.wait(stack.submit(url=url))
    assert (refused["status"], refused["error"]["code"]) == ("failed", "robots_denied")
    assert origin.order == []
    exempt = stack.wait(stack.submit(url=url, robots="ignore", pipeline="extract"))
    assert exempt["status"] == "succeeded"
    assert origin.order == ["/private"]


def test_all_jobs_of_a_host_wait_when_it_asks_one_to(stack: LiveStack, origin: OrderedOrigin) -> None:
    busy = Reply(status=429, headers={"Retry-After": "4"})
    url = origin.on("/busy", busy, Reply(body=ARTICLE))
    first = stack.submit(url=url, pipeline="extract")
    until(lambda: origin.order, within_s=20, what="the first visit")
    others = [stack.submit(url=origin.on(f"/{n}", Reply(body=ARTICLE)), pipeline="extract") for n in range(5)]
    assert {job["status"] for job in stack.wait_all([first, *others])} == {"succeeded"}
    assert origin.asked_at[1] - origin.asked_at[0] > 3.5
