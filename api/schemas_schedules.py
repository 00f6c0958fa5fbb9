"""What goes in and out of the HTTP API about schedules."""

from datetime import datetime
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from api.fields import Line, Moment
from api.schemas import JobRequest, PageQuery
from api.schemas_batches import BatchRequest, Name
from orchestration.orders import Order, SourceOrder
from orchestration.submit import Submission
from pipeline.pages import Page
from pipeline.schedules import (
    CatchUp,
    Firing,
    FiringError,
    JobSchedule,
    ScheduleState,
)
from pipeline.timetable import Cron, Timetable

SCHEDULES = "/v1/schedules"
MAX_ITEMS = 1000
FIRST_YEAR, LAST_YEAR = 1970, 2999
MIN_INTERVAL_S, MAX_INTERVAL_S = 60, 366 * 86_400
TIMES = ("cron", "interval_s", "time_zone", "starts_at", "ends_at")


def _cron(text: str) -> str:
    Cron.of(text)
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("there is no such time zone; give a name such as Europe/Berlin") from None
    return name


def _storable(moment: datetime) -> datetime:
    """At the ends of time a database that answers in another zone has no such moment."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"this moment is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment


CronText = Annotated[Line, StringConstraints(max_length=200), AfterValidator(_cron)]
ZoneName = Annotated[Line, StringConstraints(max_length=64), AfterValidator(_zone)]
Bound = Annotated[Moment, AfterValidator(_storable)]
Interval = Annotated[int, Field(ge=MIN_INTERVAL_S, le=MAX_INTERVAL_S)]


class ScheduledJob(JobRequest):
    """A job to be submitted again and again: `not_before` and `expires_at` would be over the second time."""

    @model_validator(mode="after")
    def _no_moments(self) -> Self:
        if self.not_before is not None or self.expires_at is not None:
            raise ValueError("a scheduled job cannot have not_before or expires_at; give delay_s")
        return self


class ScheduledBatch(BatchRequest):
    """A batch to be submitted again and again."""

    items: list[Any] | None = Field(default=None, min_length=1, max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _all_fit(self) -> Self:
        self.submissions("")
        return self

    def submissions(self, tenant_id: str) -> tuple[Submission, ...]:
        """The items with what they leave to the batch. Raises `ValueError`."""
        items = [{"url": self.source.url}] if self.source is not None else self.items or []
        return tuple(self._item(index, item).submission(tenant_id) for index, item in enumerate(items))

    def order(self, tenant_id: str) -> Order:
        """What is to be submitted, in the words of the layer below."""
        source = None if self.source is None else SourceOrder(self.source.limit, self.source.since)
        digest = self.digest_pattern(self.defaults, tenant_id)
        return Order(self.submissions(tenant_id), is_batch=True, batch_name=self.name, source=source, digest=digest)

    def _item(self, index: int, item: Any) -> ScheduledJob:
        from api.errors import explained  # with FastAPI, which clients do without

        if not isinstance(item, dict):
            raise ValueError(f"items.{index} has to be an object")
        try:
            return ScheduledJob.model_validate(self.completed(item))
        except ValidationError as error:
            raise ValueError(f"items.{index}: {explained(error)}") from None


class ScheduleFields(BaseModel):
    """What a schedule is made of; for a change, what is not given stays as it is."""

    model_config = ConfigDict(extra="forbid")

    cron: CronText | None = Field(
        default=None, description="Minute, hour, day of the month, month, day of the week, in the time zone."
    )
    interval_s: Interval | None = Field(default=None, description="Seconds between two firings, instead of `cron`.")
    starts_at: Bound | None = Field(default=None, description="No firing before; the first one of an interval.")
    ends_at: Bound | None = Field(default=None, description="No firing after.")
    job: ScheduledJob | None = Field(default=None, description="What is submitted, as to `POST /v1/jobs`.")
    batch: ScheduledBatch | None = Field(default=None, description="A batch of up to 1000 items, instead of `job`.")

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.cron is not None and self.interval_s is not None:
            raise ValueError("give cron or interval_s, not both")
        if self.job is not None and self.batch is not None:
            raise ValueError("give job or batch, not both")
        return self

    def order(self, tenant_id: str) -> Order | None:
        """What is to be submitted, in the words of the layer below."""
        if self.batch is not None:
            return self.batch.order(tenant_id)
        return None if self.job is None else Order((self.job.submission(tenant_id),))


class ScheduleRequest(ScheduleFields):
    """A schedule to be made. Give one of `cron` and `interval_s`, and one of `job` and `batch`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "front page",
                    "cron": "30 7 * * mon-fri",
                    "time_zone": "Europe/Berlin",
                    "job": {"url": "https://example.com/"},
                }
            ]
        },
    )

    name: Name = Field(description="For people; it need not be unique.")
    time_zone: ZoneName = Field(default="UTC", description="Of `cron`, such as Europe/Berlin.")
    catch_up: CatchUp = Field(
        default=CatchUp.ONCE,
        description="Of firings that were missed while nothing ran, `skip` drops all, `once` makes up for all by one, "
        "`all` makes up for each, the latest 100 of them.",
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.cron is None and self.interval_s is None:
            raise ValueError("give cron or interval_s")
        if self.job is None and self.batch is None:
            raise ValueError("give job or batch")
        return self

    def timetable(self, now: datetime) -> Timetable:
        """The same in the words of the layer below."""
        return Timetable(self.cron, self.interval_s, self.time_zone, now, self.starts_at, self.ends_at)

    def ordered(self, tenant_id: str) -> Order:
        """What is to be submitted."""
        order = self.order(tenant_id)
        if order is None:
            raise ValueError("give job or batch")
        return order


class SchedulePatch(ScheduleFields):
    """What is to be changed of a schedule; what is not given stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"cron": "0 8 * * *"}]})

    name: Name | None = None
    time_zone: ZoneName | None = None
    catch_up: CatchUp | None = None

    def times(self) -> dict[str, Any]:
        """Fields of the timetable that are to be changed: cron takes the place of an interval, and the reverse."""
        given = {name: getattr(self, name) for name in TIMES if getattr(self, name) is not None}
        replaced = {"cron": "interval_s", "interval_s": "cron"}
        return {**{other: None for name, other in replaced.items() if name in given}, **given}


class FiringErrorView(BaseModel):
    """Why a firing submitted nothing, or not all."""

    code: str
    message: str

    @classmethod
    def of(cls, error: FiringError | None) -> Self | None:
        return None if error is None else cls(code=error.code, message=error.message)


class ScheduleSummary(BaseModel):
    """A schedule in a listing."""

    id: str
    name: str
    status: ScheduleState
    cron: str | None
    interval_s: int | None
    time_zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    catch_up: CatchUp
    created_at: datetime
    paused_at: datetime | None
    next_at: datetime | None = Field(description="Null while it is paused, and when it has ended.")
    last_fired_at: datetime | None
    last_error: FiringErrorView | None = Field(description="Of the latest firing; null when that submitted all.")
    url: str
    runs_url: str

    @classmethod
    def of(cls, schedule: JobSchedule) -> Self:
        return cls(**_common(schedule))


class ScheduleView(ScheduleSummary):
    """A schedule, and what it submits."""

    job: dict[str, Any] | None = Field(description="The job it submits, or null.")
    batch: dict[str, Any] | None = Field(description="Name and items of the batch it submits, or null.")

    @classmethod
    def of(cls, schedule: JobSchedule) -> Self:
        submits = schedule.submits
        return cls(**_common(schedule), job=submits.get("job"), batch=submits.get("batch"))


class ScheduleList(BaseModel):
    """One page of schedules, newest first."""

    items: list[ScheduleSummary]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, page: Page[JobSchedule], query: PageQuery) -> Self:
        return cls(items=[ScheduleSummary.of(each) for each in page.items], next=query.after(page, SCHEDULES))


class FiringView(BaseModel):
    """One firing of a schedule."""

    id: str
    due_at: datetime | None = Field(description="The time it was planned for; null when it was asked for by hand.")
    fired_at: datetime
    job_id: str | None = Field(description="The job that was submitted, or null.")
    batch_id: str | None = Field(description="The batch that was submitted, or null.")
    error: FiringErrorView | None = Field(description="Why nothing was submitted, or not all items of the batch.")

    @classmethod
    def of(cls, firing: Firing) -> Self:
        return cls(
            id=firing.id,
            due_at=firing.due_at,
            fired_at=firing.fired_at,
            job_id=firing.job_id,
            batch_id=firing.batch_id,
            error=FiringErrorView.of(firing.error),
        )


class FiringList(BaseModel):
    """One page of firings, newest first."""

    items: list[FiringView]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, schedule_id: str, page: Page[Firing], query: PageQuery) -> Self:
        items = [FiringView.of(firing) for firing in page.items]
        return cls(items=items, next=query.after(page, runs_url(schedule_id)))


def schedule_url(schedule_id: str) -> str:
    """Where a schedule is found."""
    return f"{SCHEDULES}/{schedule_id}"


def runs_url(schedule_id: str) -> str:
    """Where its firings are found."""
    return f"{schedule_url(schedule_id)}/runs"


def _common(schedule: JobSchedule) -> dict[str, Any]:
    timetable = schedule.timetable
    return {
        "id": schedule.id,
        "name": schedule.name,
        "status": schedule.state,
        **{name: getattr(timetable, name) for name in TIMES},
        "catch_up": schedule.catch_up,
        "created_at": schedule.created_at,
        "paused_at": schedule.paused_at,
        "next_at": schedule.next_at,
        "last_fired_at": schedule.last_fired_at,
        "last_error": FiringErrorView.of(schedule.last_error),
        "url": schedule_url(schedule.id),
        "runs_url": runs_url(schedule.id),
    }
