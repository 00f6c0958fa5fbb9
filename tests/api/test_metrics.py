from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Api


def figures(api: Api) -> dict[tuple[str, ...], float]:
    answer = api.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sample.labels.values()): sample.value for each in families for sample in each.samples}


def test_dead_letters_and_unfinished_jobs_are_counted(api: Api) -> None:
    api.submit()
    api.start(api.submit(), "fetch")
    failed = api.submit()
    api.fail(failed)
    assert figures(api) == {
        ("penstock_jobs_unfinished", "queued"): 1,
        ("penstock_jobs_unfinished", "running"): 1,
        ("penstock_dead_letters", "dns_failure", "fetch"): 1,
    }
    api.client.delete(f"/v1/dead-letters/{failed}")
    assert ("penstock_dead_letters", "dns_failure", "fetch") not in figures(api)
