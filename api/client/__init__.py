"""The Python client: `Penstock` blocks, `AsyncPenstock` is for asyncio; both do the same.

    with Penstock("http://127.0.0.1:8000") as penstock:
        document = penstock.run(url="https://example.com/article")
        print(document.summary.text)

What is asked, how answers are read, when to try again and how streams are followed is decided once, in `calls`, `core`
and `feed`; the two clients only send and wait.
"""

from api.client.asynchronous import AsyncPenstock
from api.client.blocking import Penstock
from api.client.calls import FileOptions, JobFields, JobFilters, SubmissionFields
from api.client.errors import PenstockError
from api.client.schedule_calls import BatchFields, ScheduleFields
from api.schemas_batches import BatchResult, BatchView
from api.schemas_events import Gap, JobEvent, Snapshot, StreamEvent, SummaryDelta

__all__ = [
    "AsyncPenstock",
    "BatchFields",
    "BatchResult",
    "BatchView",
    "FileOptions",
    "Gap",
    "JobEvent",
    "JobFields",
    "JobFilters",
    "Penstock",
    "PenstockError",
    "ScheduleFields",
    "Snapshot",
    "StreamEvent",
    "SubmissionFields",
    "SummaryDelta",
]
