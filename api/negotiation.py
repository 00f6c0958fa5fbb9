"""Which of several forms a client wants: the header `Accept` (RFC 9110, section 12.5.1)."""

from collections.abc import Iterable, Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered media type that the header likes best, the first of equals; None when it takes none of them.

    >>> offered = ["application/json", "text/markdown"]
    >>> preferred(None, offered), preferred("*/*", offered), preferred("text/*", offered)
    ('application/json', 'application/json', 'text/markdown')
    >>> preferred("text/markdown;q=0.5, */*;q=0.1", offered), preferred("image/png, */*;q=0", offered)
    ('text/markdown', None)
    """
    ranges = dict(_ranges((accept or "").strip() or "*/*"))
    liked = {media_type: _quality(media_type, ranges) for media_type in offered}
    best = max(offered, key=lambda media_type: liked[media_type])
    return best if liked[best] > 0 else None


def _ranges(accept: str) -> Iterable[tuple[str, float]]:
    for entry in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights = [value for name, _, value in (each.partition("=") for each in parameters) if name.strip() == "q"]
        yield media_range, _number(weights[0]) if weights else 1.0


def _number(weight: str) -> float:
    """A weight; what is none is taken for a refusal."""
    try:
        return min(float(weight), 1.0)
    except ValueError:
        return 0.0


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """The most exact range decides."""
    main, _, _ = media_type.partition("/")
    return next((ranges[each] for each in (media_type, f"{main}/*", "*/*") if each in ranges), 0.0)
