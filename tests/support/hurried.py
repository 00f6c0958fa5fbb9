"""A catalog with a stage of little patience, for `PENSTOCK_CATALOG`: waiting for real time limits takes minutes."""

from dataclasses import replace

from pipeline.composition import Catalog, begin, named
from pipeline.definition import CATALOG as SHIPPED
from stages.contract import RetryPolicy
from stages.extract import extract
from stages.fetch import fetch
from stages.store import store
from stages.summarize import summarize

HURRIED = replace(summarize, name="summarize-hurried", time_limit_s=3.0, retry=RetryPolicy(max_attempts=2, base_s=0.1))
CATALOG = Catalog([*SHIPPED.pipelines.values(), named("hurried", begin(fetch).then(extract).then(HURRIED).then(store))])
