"""Word lists are written as running text and read as sets."""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, parted by white space.

    >>> sorted(word_set("lock gate weir"))
    ['gate', 'lock', 'weir']
    """
    return frozenset(text.split())
