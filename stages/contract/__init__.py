"""What every stage agrees on: declarations, tools, payload nouns, errors and retry policies."""

from stages.contract.codes import CODES, WARNINGS, Code
from stages.contract.declaration import FanOut, Stage, stage
from stages.contract.errors import Cancelled, Permanent, Postponed, StageError, Transient
from stages.contract.nouns import (
    Analysis,
    Article,
    Content,
    Document,
    Page,
    Payload,
    Source,
    Summary,
)
from stages.contract.options import Length, Options, Processing
from stages.contract.retry import RetryPolicy
from stages.contract.tools import (
    CancelToken,
    Clock,
    Completion,
    Fetched,
    History,
    Http,
    Isolate,
    JobFacts,
    Llm,
    Message,
    Scope,
    Step,
    Tools,
)

__all__ = [
    "CODES",
    "WARNINGS",
    "Analysis",
    "Article",
    "CancelToken",
    "Cancelled",
    "Clock",
    "Code",
    "Completion",
    "Content",
    "Document",
    "FanOut",
    "Fetched",
    "History",
    "Http",
    "Isolate",
    "JobFacts",
    "Length",
    "Llm",
    "Message",
    "Options",
    "Page",
    "Payload",
    "Permanent",
    "Postponed",
    "Processing",
    "RetryPolicy",
    "Scope",
    "Source",
    "Stage",
    "StageError",
    "Step",
    "Summary",
    "Tools",
    "Transient",
    "stage",
]
