from pathlib import Path

import pytest

from orchestration.outbound import browser_found
from orchestration.outbound.browser_found import browser_of, find_chromium, require_browser
from orchestration.settings import Settings
from pipeline.errors import NoBrowser


@pytest.fixture
def chromium(tmp_path: Path) -> Path:
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh")
    path.chmod(0o755)
    return path


def test_a_browser_is_found_on_the_path_or_where_it_is_said_to_be(
    chromium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(chromium.parent))
    assert find_chromium() == chromium
    monkeypatch.setenv("PATH", "")
    assert (find_chromium(), find_chromium(chromium)) == (None, chromium)
    assert find_chromium(chromium.parent) is None
    assert find_chromium(chromium.parent / "chrome") is None


def test_what_is_missing_is_said(chromium: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_found, "has_playwright", lambda: True)
    assert require_browser(Settings(chromium_path=chromium)) == chromium
    with pytest.raises(NoBrowser, match="PENSTOCK_CHROMIUM_PATH"):
        require_browser(Settings(chromium_path=chromium.parent / "none"))
    monkeypatch.setattr(browser_found, "has_playwright", lambda: False)
    with pytest.raises(NoBrowser, match=r"penstock\[render\]"):
        require_browser(Settings(chromium_path=chromium))
    assert browser_of(Settings(chromium_path=chromium), lambda _url, _scope: None) is None
