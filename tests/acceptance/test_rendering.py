"""A page that needs scripts, through a whole stack with a browser."""

from collections.abc import Iterator

import pytest

from tests.support.articles import ARTICLE
from tests.support.chromium import chromium_path
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.stack import LiveStack, live_stack, outcomes

SHELL = """<!doctype html><title>App</title><body><script>
fetch('/article').then(it => it.text()).then(text => { document.open(); document.write(text); document.close(); });
</script></body>"""


@pytest.fixture(scope="module")
def browsing() -> Iterator[LiveStack]:
    with live_stack(render="true", chromium_path=chromium_path()) as stack:
        yield stack


def test_a_page_is_read_as_its_scripts_leave_it(browsing: LiveStack, origin: OrderedOrigin) -> None:
    origin.on("/article", Reply(body=ARTICLE))
    url = origin.on("/app", Reply(body=SHELL))
    plain = browsing.wait(browsing.submit(url=url, pipeline="extract"))
    assert (plain["status"], plain["error"]["code"]) == ("failed", "no_article")
    job_id = browsing.submit(url=url, pipeline="extract", render=True)
    view = browsing.wait(job_id)
    assert view["status"] == "succeeded", view["error"]
    assert [stage["name"] for stage in view["stages"]] == ["render", "extract", "store"]
    document = browsing.client.get(f"/v1/jobs/{job_id}/result").json()
    read = browsing.wait(browsing.submit(url=origin.url("/article"), pipeline="extract"))
    expected = browsing.client.get(f"/v1/jobs/{read['id']}/result").json()
    assert document["text"] == expected["text"]
    assert (document["source"]["final_url"], document["source"]["charset"]) == (url, "utf-8")


def test_a_page_is_rendered_where_its_host_allows_it_and_in_its_turn(
    browsing: LiveStack, origin: OrderedOrigin
) -> None:
    rules = "User-agent: *\nCrawl-delay: 12\nDisallow: /private\n"
    origin.on("/robots.txt", Reply(body=rules, content_type="text/plain"))
    private = origin.on("/private", Reply(body=ARTICLE))
    moved = origin.on("/moved", Reply(status=302, headers={"Location": "/private"}))
    urls = (private, moved, origin.on("/open", Reply(body=ARTICLE)))
    jobs = browsing.wait_all([browsing.submit(url=url, pipeline="extract", render=True) for url in urls])
    assert [job["error"] and job["error"]["code"] for job in jobs] == ["robots_denied", "robots_denied", None]
    assert [origin.hits(path) for path in ("/private", "/moved", "/open")] == [0, 1, 1]
    assert "postponed" in {outcome for job in jobs[1:] for outcome in outcomes(job["stages"][0])}
    assert [job["stages"][0]["attempts"] for job in jobs] == [1, 1, 1]
    exempt = browsing.wait(browsing.submit(url=private, robots="ignore", pipeline="extract", render=True))
    assert exempt["status"] == "succeeded"
