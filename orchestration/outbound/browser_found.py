"""Whether there is a browser to render pages with, and how it is set up."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from orchestration.outbound.browser import BrowserLimits, Chromium
from orchestration.outbound.http import MayFollow
from orchestration.settings import Settings
from pipeline.errors import NoBrowser

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def has_playwright() -> bool:
    """Whether the extra `render` is installed."""
    return find_spec("playwright") is not None


def find_chromium(path: Path | None = None) -> Path | None:
    """The browser at this path, or one that is installed; None where there is none."""
    if path is not None:
        return path if path.is_file() and os.access(path, os.X_OK) else None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return None if found is None else Path(found)


def require_browser(settings: Settings) -> Path:
    """The browser to render with. Raises `NoBrowser`, which says what to install."""
    if not has_playwright():
        raise NoBrowser("pages cannot be rendered: install penstock[render], or set PENSTOCK_RENDER=false")
    found = find_chromium(settings.chromium_path)
    if found is None:
        where = "on PATH" if settings.chromium_path is None else f"at {settings.chromium_path}"
        raise NoBrowser(
            f"pages cannot be rendered: there is no Chromium {where}; install it or set PENSTOCK_CHROMIUM_PATH"
        )
    return found


def browser_of(settings: Settings, may_follow: MayFollow) -> Chromium | None:
    """The browser as it is set up; None where there is none. `may_follow` is as in `Chromium`."""
    try:
        executable = require_browser(settings)
    except NoBrowser:
        return None
    limits = BrowserLimits(
        total_timeout_s=settings.render_timeout_s,
        max_bytes=settings.render_max_wire_bytes,
        max_requests=settings.render_max_requests,
        max_decoded_bytes=settings.fetch_max_decoded_bytes,
        max_memory_bytes=settings.render_max_memory_bytes,
    )
    return Chromium(
        executable,
        user_agent=settings.agent,
        limits=limits,
        allow_networks=settings.allow_networks,
        sandbox=settings.chromium_sandbox,
        may_follow=may_follow,
    )
