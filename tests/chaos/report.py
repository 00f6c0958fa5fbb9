"""The verdict of a run, for programs and for people."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.faulty_verdict import Verdict

SHOWN = 50
"""Failures that a person is shown."""


@dataclass(frozen=True)
class Run:
    """What was done, and what came of it."""

    seed: int
    minutes: float
    database: str
    verdict: Verdict
    accepted: int
    refused: int
    unanswered: int
    longest_answer_s: float
    quiet_after_s: float
    """After the last fault."""

    @property
    def is_good(self) -> bool:
        return not self.verdict.failures


def write(run: Run, folder: Path) -> None:
    """`verdict.json` and `verdict.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdict.json").write_text(json.dumps(as_json(run), indent=2) + "\n")
    (folder / "verdict.md").write_text(as_markdown(run))


def as_json(run: Run) -> dict[str, object]:
    fields = asdict(run)
    figures = fields.pop("verdict")
    return {"good": run.is_good, **fields, **figures, "duplicates_per_kill": run.verdict.duplicates_per_kill}


def as_markdown(run: Run) -> str:
    verdict = run.verdict
    said = "every promise was kept" if run.is_good else f"{len(verdict.failures)} promises were broken"
    lines = [
        f"# Chaos, seed {run.seed}, {run.minutes:g} minutes on {run.database}: {said}",
        "",
        "| | |",
        "|---|---|",
        f"| Jobs accepted | {run.accepted} |",
        f"| ... of which were lost | {verdict.lost} |",
        f"| How all jobs ended | {_counted(verdict.states)} |",
        f"| Why some failed | {_counted(verdict.errors)} |",
        f"| Faults | {_counted(verdict.faults)} |",
        f"| Workers killed | {verdict.kills} |",
        f"| Attempts lost with their workers | {verdict.attempts_lost} |",
        f"| Effects on the world outside | {verdict.effects} |",
        f"| ... that came twice | {verdict.duplicate_effects}, {verdict.duplicates_per_kill:.2f} for each kill |",
        f"| ... for no known reason | {verdict.unattributed_duplicates} |",
        f"| Stale writes refused | {verdict.stale_writes_rejected} |",
        f"| Longest until an interrupted job went on | {verdict.longest_recovery_s:.1f} s |",
        f"| Listeners, and longest until one of them heard how its job ended | {verdict.listeners}, "
        f"{verdict.longest_untold_s:.1f} s |",
        f"| Quiet after the last fault | {run.quiet_after_s:.1f} s |",
        f"| Longest answer of the API | {run.longest_answer_s:.2f} s |",
        f"| Submissions refused, unanswered | {run.refused}, {run.unanswered} |",
        "",
    ]
    if verdict.failures:
        lines += ["## Broken", "", *(f"- {failure}" for failure in verdict.failures[:SHOWN]), ""]
    return "\n".join(lines)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
