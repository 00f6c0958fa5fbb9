"""What commands say on standard error: results alone go to standard output."""

from rich.console import Console

stderr = Console(stderr=True, highlight=False, emoji=False)


def complain(message: str) -> None:
    """One line about what went wrong."""
    stderr.print(f"[bold red]error:[/] {_escaped(message)}", soft_wrap=True)


def note(message: str) -> None:
    """One line about what is going on."""
    stderr.print(_escaped(message), soft_wrap=True)


def _escaped(message: str) -> str:
    return message.replace("[", r"\[")
