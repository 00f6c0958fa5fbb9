"""A Chromium for tests. Where there is none, they are skipped, but fail in continuous integration (`CI` set)."""

import os
from pathlib import Path

import pytest

from orchestration.outbound.browser_found import require_browser
from orchestration.settings import Settings
from pipeline.errors import NoBrowser


def chromium_path() -> Path:
    """The browser that is installed here."""
    try:
        return require_browser(Settings())
    except NoBrowser as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
