"""`penstock doctor`: what was checked, what was found, and what to do about it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from api.cli.guard import FAILED, problems_of
from api.cli.report import note
from orchestration.doctor.examination import examine
from orchestration.doctor.findings import Finding, Outcome, failure
from orchestration.settings import Settings

MARKS = {
    Outcome.OK: ("✓", "green"),
    Outcome.WARNING: ("!", "bold yellow"),
    Outcome.FAILURE: ("✗", "bold red"),
    Outcome.SKIPPED: ("–", "dim"),
}
NAME_CHARS = 19


def examine_deployment(*, as_json: bool) -> int:
    """Print every finding. Returns the exit status: 0 unless a check has failed."""
    findings = _findings()
    if as_json:
        for finding in findings:
            print(json.dumps(asdict(finding)))
    else:
        _print(findings)
    return FAILED if any(finding.outcome is Outcome.FAILURE for finding in findings) else 0


def _findings() -> Sequence[Finding]:
    try:
        settings = Settings()
    except ValidationError as error:
        return [failure("settings", "; ".join(problems_of(error)), "correct them, and ask again")]
    return examine(settings)


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    for finding in findings:
        mark, style = MARKS[finding.outcome]
        console.print(Text(mark, style=style), Text(f"{finding.name:<{NAME_CHARS}} {finding.found}"), soft_wrap=True)
        if finding.advice is not None:
            console.print(Text(f"  {'':<{NAME_CHARS}} → {finding.advice}"), soft_wrap=True)
    counts = Counter(finding.outcome for finding in findings)
    note(", ".join(f"{outcome}: {counts[outcome]}" for outcome in Outcome if counts[outcome]))
