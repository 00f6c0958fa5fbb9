"""Shows a summary while the model writes it: read and cleaned as the whole will be, as far as it has come."""

from collections.abc import Callable

from stages.contract import Article, Tools
from stages.contract.tools import OnText, Progress
from stages.language_model.cleaning import Cleaner, links_of
from stages.language_model.prompts import Question

ReadSoFar = Callable[[str], str]
"""What can be shown of an answer that is not complete."""


class Draft:
    """Takes an answer piece by piece."""

    def __init__(self, read: ReadSoFar, cleaner: Cleaner, progress: Progress) -> None:
        self._read = read
        self._cleaner = cleaner
        self._progress = progress
        self._answer = ""

    def __call__(self, piece: str) -> None:
        self._answer += piece
        if self._progress.is_due:
            self._progress.show(self._cleaner.clean(self._read(self._answer)))


def draft_of(read: ReadSoFar, article: Article, question: Question, tools: Tools) -> OnText:
    """Shows what is made of an article."""
    # Not the cleaner of the whole answer, which remembers what it took out.
    return Draft(read, Cleaner(links_of(article), question.instructions, question.secrets), tools.progress)
