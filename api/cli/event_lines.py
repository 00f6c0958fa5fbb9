"""An event as a line for a person."""

from rich.text import Text

from api.cli.progress import STYLES
from api.client import Gap, JobEvent, Snapshot, StreamEvent, SummaryDelta
from pipeline.events import LAST, EventKind

STYLE_OF: dict[EventKind, str] = {LAST[state]: style for state, style in STYLES.items()}


def line(event: StreamEvent) -> Text:
    """An event for a person, in local time.

    >>> line(Gap(message="Events before this one are missing.")).plain
    '          gap              Events before this one are missing.'
    """
    match event:
        case Snapshot(job=job):
            return _line("", event.event, f"{job.id}  {job.status}, {job.progress} %")
        case Gap(message=message):
            return _line("", event.event, message)
        case SummaryDelta(text=text):
            return _line("", event.event, f"{event.job_id}  {event.stage}  {' '.join(text.split())}")
        case JobEvent():
            at, style = f"{event.at.astimezone():%H:%M:%S}", STYLE_OF.get(event.event, "")
            return _line(at, event.event, "  ".join((event.job_id, *_facts(event))), style)


def _line(at: str, name: str, rest: str, style: str = "") -> Text:
    return Text(f"{at:<8}  {name:<15}  {rest}", style=style)


def _facts(event: JobEvent) -> list[str]:
    again = "" if event.attempt in (None, 1) else f" ×{event.attempt}"
    facts = [f"{event.stage}{again}"] if event.stage else []
    if event.message:
        facts.append(f"{event.message} ({event.code})")
    if event.delay_s is not None:
        facts.append(f"again in {event.delay_s:.1f} s")
    return facts
