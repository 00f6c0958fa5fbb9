"""Schedules to put into records."""

from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from pipeline.ids import uuid7
from pipeline.schedules import CatchUp, Firing, JobSchedule
from pipeline.timetable import Timetable
from tests.support.jobs import TENANT
from tests.support.tools import START

HOUR = timedelta(hours=1)
HOURLY = Timetable(None, 3600, "UTC", START)
TEXT = {"job": {"text": "Water falls.", "pipeline": "extract", "processing": "quick", "lane": "normal"}}

_ages = count()
_random = Random(5)


def new_schedule(**changes: Any) -> JobSchedule:
    """One that fires every hour, the first time an hour after `START`; newer than all before it."""
    created_at = START + timedelta(milliseconds=next(_ages))
    timetable = changes.get("timetable", HOURLY)
    values: dict[str, Any] = {
        "id": str(uuid7(created_at, _random)),
        "tenant_id": TENANT,
        "name": "hourly",
        "timetable": timetable,
        "catch_up": CatchUp.ONCE,
        "submits": TEXT,
        "created_at": created_at,
        "next_at": timetable.next_after(START),
    }
    return JobSchedule(**{**values, **changes})


def new_firing(schedule: JobSchedule, due_at: datetime | None = START + HOUR, **changes: Any) -> Firing:
    """Of a time, at that time; or by hand, at `START`."""
    fired_at = due_at or START
    values = {"id": str(uuid7(fired_at, _random)), "schedule_id": schedule.id, "due_at": due_at, "fired_at": fired_at}
    return Firing(**{**values, **changes})
