"""The payload folder: whole objects or none, on the disk, for their owner only."""

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd

from orchestration.storage.payload_folder import PayloadFolder
from pipeline.claims import claim_for
from pipeline.errors import PayloadCorrupt, PayloadMissing, PayloadsUnavailable

KEY = "default/01a1fb67/1/fetch.0"
DATA = b"A sentence that is said again. " * 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "payloads"


@pytest.fixture
def folder(root: Path) -> PayloadFolder:
    return PayloadFolder(root)


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_an_object_is_one_small_file_under_its_key(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    assert files(root) == [root / claim.key]
    assert (root / claim.key).stat().st_size < len(DATA) / 10
    assert zstd.decompress((root / claim.key).read_bytes()) == DATA


def test_only_the_owner_may_look(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    path = root / claim.key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    inside = [parent for parent in path.parents if parent.is_relative_to(root)]
    assert {stat.S_IMODE(parent.stat().st_mode) for parent in inside} == {0o700}


def test_an_object_is_synced_before_it_is_named_and_its_name_after(
    folder: PayloadFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def note_rename(source: str, target: Path) -> None:
        steps.append(f"rename to {target}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_rename)
    claim = folder.put(KEY, DATA, "text/plain")
    path = root / claim.key
    written, renamed, *named = steps
    assert written.startswith(str(root / ".incoming"))
    assert renamed == f"rename to {path}"
    assert named == [str(parent) for parent in path.parents if parent.is_relative_to(root)]


def test_a_sound_object_is_not_written_again(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    before = (root / claim.key).stat()
    folder.put(KEY, DATA, "text/plain")
    assert (root / claim.key).stat().st_ino == before.st_ino


@pytest.mark.parametrize("damage", [b"", b"not zstd", zstd.compress(b"other"), zstd.compress(DATA)[:-20]])
def test_a_damaged_object_is_corrupt_until_it_is_put_again(folder: PayloadFolder, root: Path, damage: bytes) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    (root / claim.key).write_bytes(damage)
    with pytest.raises(PayloadCorrupt):
        folder.get(claim)
    folder.put(KEY, DATA, "text/plain")
    assert folder.get(claim) == DATA


def test_an_object_that_inflates_past_its_claim_is_cut_short(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    (root / claim.key).write_bytes(zstd.compress(bytes(200_000_000)))
    tracemalloc.start()
    with pytest.raises(PayloadCorrupt):
        folder.get(claim)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_damaged_object_is_kept_aside_to_be_looked_into(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    (root / claim.key).write_bytes(b"damaged")
    folder.quarantine(claim)
    assert files(root) == [root / ".quarantine" / claim.key]
    assert (root / ".quarantine" / claim.key).read_bytes() == b"damaged"
    with pytest.raises(PayloadMissing):
        folder.get(claim)


def test_a_full_disk_leaves_nothing_behind(folder: PayloadFolder, root: Path) -> None:
    folder.put(KEY, b"small", "text/plain")
    before = files(root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(PayloadsUnavailable, match="too large"):
            folder.put(KEY, os.urandom(5000), "application/octet-stream")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(root) == before


def test_a_root_that_is_no_folder_is_unavailable(root: Path) -> None:
    root.parent.mkdir(parents=True)
    root.write_text("in the way")
    folder = PayloadFolder(root)
    claim = claim_for(KEY, DATA, "text/plain")
    with pytest.raises(PayloadsUnavailable):
        folder.put(KEY, DATA, "text/plain")
    with pytest.raises(PayloadsUnavailable):
        folder.get(claim)
    with pytest.raises(PayloadsUnavailable):
        folder.check()


def test_a_root_that_is_gone_is_unavailable_and_nothing_is_called_missing(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    root.rename(root.with_name("unmounted"))
    with pytest.raises(PayloadsUnavailable):
        folder.get(claim)


def test_a_folder_in_place_of_an_object_is_unavailable(folder: PayloadFolder, root: Path) -> None:
    claim = claim_for(KEY, DATA, "text/plain")
    (root / claim.key).mkdir(parents=True)
    with pytest.raises(PayloadsUnavailable):
        folder.get(claim)


def test_a_file_in_place_of_a_folder_means_missing(folder: PayloadFolder, root: Path) -> None:
    claim = claim_for(KEY, DATA, "text/plain")
    root.mkdir(parents=True)
    (root / "default").write_text("in the way")
    with pytest.raises(PayloadMissing):
        folder.get(claim)
    folder.delete(claim)


def test_many_may_put_the_same_at_once(folder: PayloadFolder, root: Path) -> None:
    errors: list[BaseException] = []

    def put() -> None:
        try:
            for number in range(10):
                folder.get(folder.put(KEY, b"%d" % number, "text/plain"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert len(files(root)) == 10


def test_the_check_leaves_nothing_behind(folder: PayloadFolder, root: Path) -> None:
    folder.check()
    assert files(root) == []


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_the_age_of_a_job_is_that_of_its_latest_object(folder: PayloadFolder, root: Path) -> None:
    for run in (1, 2):
        folder.put(f"default/old/{run}/fetch.0", DATA, "text/plain")
        folder.put(f"default/renewed/{run}/fetch.0", DATA, "text/plain")
    for path in root.glob("default/**"):
        age(path, 1000)
    folder.put("default/renewed/1/extract.0", DATA, "text/plain")
    assert list(folder.jobs(older_than_s=500)) == [("default", "old")]


def test_what_was_put_aside_lately_keeps_its_job_from_being_old(folder: PayloadFolder, root: Path) -> None:
    claim = folder.put(KEY, DATA, "text/plain")
    (root / claim.key).write_bytes(b"damaged")
    folder.quarantine(claim)
    for path in root.glob("default/**"):
        age(path, 1000)
    assert list(folder.jobs(older_than_s=500)) == []


def test_a_deleted_job_leaves_no_file_not_even_aside(folder: PayloadFolder, root: Path) -> None:
    folder.put(KEY, DATA, "text/plain")
    claim = folder.put(KEY, b"other", "text/plain")
    (root / claim.key).write_bytes(b"damaged")
    folder.quarantine(claim)
    folder.delete_job("default", "01a1fb67")
    assert files(root) == []


def test_old_leftovers_of_interrupted_writes_are_swept(folder: PayloadFolder, root: Path) -> None:
    folder.put(KEY, DATA, "text/plain")
    old, new = root / ".incoming" / "old", root / ".incoming" / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    age(old, 1000)
    assert folder.sweep(older_than_s=500) == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert folder.sweep(older_than_s=500) == 0


def test_a_store_that_nothing_was_put_into_holds_nothing(folder: PayloadFolder) -> None:
    assert (list(folder.jobs(older_than_s=0)), folder.sweep(older_than_s=0)) == ([], 0)
    folder.delete_job("default", "01a1fb67")


WRITER = """
import os, sys
from pathlib import Path
from orchestration.storage.payload_folder import PayloadFolder
folder = PayloadFolder(Path(sys.argv[1]))
while True:
    folder.put("t/j/1/fetch.0", os.urandom(300_000), "application/octet-stream")
"""


def test_a_killed_writer_leaves_whole_objects_only(root: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root)])
    deadline = time.monotonic() + 30
    while not (root.is_dir() and len(list(root.glob("t/j/1/*"))) > 5):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait(10)
    folder = PayloadFolder(root)
    for path in root.glob("t/j/1/*"):
        data = zstd.decompress(path.read_bytes())
        claim = claim_for("t/j/1/fetch.0", data, "application/octet-stream")
        assert claim.key.endswith(path.name)
        assert folder.get(replace(claim)) == data
