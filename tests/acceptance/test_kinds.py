"""Kinds of content other than pages: a PDF that is sent and one that is fetched, and a feed."""

import json

import pytest

from tests.support.commands import penstock
from tests.support.hosts import OrderedOrigin
from tests.support.origin import Reply
from tests.support.pdfs import image_only, pdf_of
from tests.support.stack import LiveStack

LINES = [
    "For thirty-one years Ruth Ellery has opened and closed the gates of Marlow Lock by hand. She",
    "knows the river by its sound, and she says that a rising river is quieter than a falling one. Last",
    "winter she opened the sluice on the far bank first, because the near one drains towards the school.",
]
PDF = pdf_of([["The flood", *LINES]] * 2, {"Title": "The lock keeper", "Author": "Ada Finch"}, [("The flood", 0)])
RSS = """<rss version="2.0"><channel><title>Lock news</title><item><title>The lock opens</title><link>/opens</link>
<description>She opened the sluice on the far bank first.</description></item></channel></rss>"""


def upload(stack: LiveStack, name: str, content: bytes, media_type: str) -> str:
    made = penstock(stack, "keys", "create", "--name", "files", "--scope", "submit,read")
    assert made.status == 0, made.err
    answer = stack.client.post(
        "/v1/jobs",
        files={"file": (name, content, media_type)},
        data={"job": json.dumps({"pipeline": "summarize"})},
        headers={"Authorization": f"Bearer {made.out.strip()}"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_pdf_that_is_sent_is_read_and_summarized(stack: LiveStack) -> None:
    job_id = upload(stack, "lock.pdf", PDF, "application/pdf")
    view = stack.wait(job_id)
    assert view["status"] == "succeeded", view["error"]
    document = stack.result(job_id)
    assert document["metadata"]["title"] == "The lock keeper"
    assert document["metadata"]["authors"] == ["Ada Finch"]
    assert document["metadata"]["page_count"] == 2
    assert document["metadata"]["sources"]["title"] == "pdf"
    assert "Last winter she opened the sluice" in document["text"]
    assert document["sections"][0]["anchor"] == "the-flood"
    assert document["summary"]["text"]

    page = stack.client.get(f"/v1/jobs/{job_id}/result", headers={"Accept": "text/html"})
    assert '<h2 id="the-flood">The flood</h2>' in page.text
    assert page.headers["content-security-policy"] == "sandbox"
    assert page.headers["content-disposition"] == "attachment"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("content_type", ["application/pdf", "application/octet-stream"])
def test_a_pdf_is_fetched(stack: LiveStack, origin: OrderedOrigin, content_type: str) -> None:
    url = origin.on("/lock", Reply(raw=PDF, content_type=content_type))
    view = stack.wait(stack.submit(url=url, pipeline="extract"))
    assert view["status"] == "succeeded", view["error"]
    assert "Last winter she opened the sluice" in stack.result(view["id"])["text"]


def test_pages_of_images_say_so(stack: LiveStack) -> None:
    view = stack.wait(upload(stack, "scan.pdf", image_only(), "application/pdf"))
    assert (view["status"], view["error"]["code"], view["error"]["stage"]) == ("failed", "pdf_no_text", "extract")
    assert "images" in view["error"]["message"]
    assert not view["error"]["retryable"]


def test_a_feed_under_the_name_of_a_page_is_listed(stack: LiveStack, origin: OrderedOrigin) -> None:
    url = origin.on("/feed", Reply(body=RSS, content_type="text/html"))
    view = stack.wait(stack.submit(url=url, pipeline="extract"))
    assert view["status"] == "succeeded", view["error"]
    document = stack.result(view["id"])
    assert document["metadata"]["site_name"] == "Lock news"
    assert [link["text"] for link in document["links"]] == ["The lock opens"]
    assert document["links"][0]["url"] == url.removesuffix("/feed") + "/opens"
