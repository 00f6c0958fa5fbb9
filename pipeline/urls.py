"""What jobs can be found by of the URL they were submitted with. It may be anything: a bad URL is a failed job."""

from urllib.parse import urlsplit

MAX_HOST_CHARS = 255
MAX_SEARCHED_CHARS = 512
"""More of a URL is not searched."""


def host_of(url: str) -> str | None:
    """The host of a URL, in lower case; None where there is none.

    >>> host_of("https://Example.org:8443/a"), host_of("https://[::1]/"), host_of("example.org"), host_of("http://[")
    ('example.org', '::1', None, None)
    """
    try:
        host = urlsplit(_writable(url)).hostname
    except ValueError:
        return None
    return host if host and len(host) <= MAX_HOST_CHARS else None


def searched_form(url: str) -> str:
    """A URL as it is searched by its beginning: without its scheme, its host in lower case.

    What a URL begins with has a form that the URL's form begins with.

    >>> searched_form("https://Example.org/Docs?q=1"), searched_form("EXAMPLE.org/Do"), searched_form("Exam")
    ('example.org/Docs?q=1', 'example.org/Do', 'exam')
    """
    scheme, mark, rest = _writable(url).partition("://")
    host, slash, path = (rest if mark else scheme).partition("/")
    return f"{host.casefold()}{slash}{path}"[:MAX_SEARCHED_CHARS]


def _writable(url: str) -> str:
    """Without what PostgreSQL's text cannot hold."""
    return url.replace("\x00", "").encode(errors="replace").decode()
