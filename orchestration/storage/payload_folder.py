"""Payloads as files: compressed, complete or absent, and on the disk once `put` returns."""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from threading import get_ident
from typing import BinaryIO

from pipeline.claims import claim_for, claim_of, is_payload_key, verified
from pipeline.errors import PayloadCorrupt, PayloadLost, PayloadMissing, PayloadsUnavailable
from pipeline.ids import Claim

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_INCOMING = ".incoming"
"""Where files are written before they get their name; no key can begin with a dot."""
_QUARANTINE = ".quarantine"
"""Where objects are kept that were not what was claimed; for the same reason no tenant can have this name."""
_PROBE = "_probe/check"


class PayloadFolder:
    """`Payloads` in a folder that all workers share.

    `level` is zstd's compression level. Files are readable by their owner only.
    """

    def __init__(self, root: Path, *, level: int = 3) -> None:
        self._root = root
        self._level = level

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    def put(self, key: str, data: bytes, media_type: str) -> Claim:
        """Store bytes; an object that is there already and sound is left as it is."""
        claim = claim_for(key, data, media_type)
        with self._usable():
            if not self._is_sound(claim):
                self._write(claim, zstd.compress(data, self._level))
            self._sync_folders(claim)
        return claim

    def put_stream(self, key: str, chunks: Iterable[bytes], media_type: str) -> Claim:
        """Store what comes in chunks; an object that is there already is written again."""
        with self._usable(), self._incoming() as (file, name_as):
            claim = claim_of(key, *self._compress(chunks, file), media_type)
            name_as(claim)
            self._sync_folders(claim)
        return claim

    def get(self, claim: Claim) -> bytes:
        """Read and verify; never inflates to more than the claimed size and one byte."""
        if not is_payload_key(claim.key):
            raise PayloadMissing(claim.key)
        with self._usable():
            compressed = self._read(claim)
        return verified(claim, _inflated(compressed, claim))

    def delete(self, claim: Claim) -> None:
        """Remove an object; it may be gone already."""
        if is_payload_key(claim.key):
            with self._usable(), suppress(FileNotFoundError, NotADirectoryError):
                self._path(claim).unlink()

    def quarantine(self, claim: Claim) -> None:
        """Put an object that is not what was claimed aside, under `.quarantine/`."""
        try:
            self.get(claim)
        except PayloadMissing:
            return
        except PayloadCorrupt:
            self._put_aside(claim)

    def delete_job(self, tenant_id: str, job_id: str) -> None:
        """Remove all objects of a job, those put aside first: they would be missed without the others."""
        if not is_payload_key(f"{tenant_id}/{job_id}"):
            return
        for base in (self._root / _QUARANTINE, self._root):
            with self._usable(), suppress(FileNotFoundError):
                shutil.rmtree(base / tenant_id / job_id)

    def jobs(self, older_than_s: float) -> Iterator[tuple[str, str]]:
        """Jobs with objects, none of them written this recently, in any order."""
        before = time.time() - older_than_s
        with self._usable():
            written_at = [(_owner(folder), _written_at(folder)) for folder in self._job_folders()]
        recent = {job for job, at in written_at if at >= before}
        return iter({job for job, _ in written_at} - recent)

    def sweep(self, older_than_s: float) -> int:
        """Remove files that a killed writer left half-written."""
        before = time.time() - older_than_s
        with self._usable():
            return sum(_removed(path) for path in (self._root / _INCOMING).glob("*") if _written_at(path) < before)

    def check(self) -> None:
        """Write and read a small object, and remove it."""
        claim = self.put(f"{_PROBE}-{os.getpid()}-{get_ident()}", b"probe", "text/plain")
        try:
            self.get(claim)
        except PayloadLost as error:
            raise PayloadsUnavailable(f"what was just written to {self._root} cannot be read") from error
        self.delete(claim)

    def _path(self, claim: Claim) -> Path:
        return self._root / claim.key

    def _read(self, claim: Claim) -> bytes:
        try:
            return self._path(claim).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if not self._root.is_dir():
                raise  # A volume that is not mounted loses nothing.
            raise PayloadMissing(claim.key) from None

    def _job_folders(self) -> Iterator[Path]:
        yield from (self._root / _QUARANTINE).glob("*/*/")
        yield from self._root.glob("[!.]*/*/")

    def _is_sound(self, claim: Claim) -> bool:
        """A damaged object must be written again: what re-runs a stage usually gives the same bytes."""
        try:
            self.get(claim)
        except (PayloadLost, PayloadsUnavailable):
            return False
        return True

    def _compress(self, chunks: Iterable[bytes], file: BinaryIO) -> tuple[str, int]:
        """Write chunks to a file; returns the hash and the size of what they were."""
        compressor, digest, size = zstd.ZstdCompressor(self._level), sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            file.write(compressor.compress(chunk))
        file.write(compressor.flush())
        return digest.hexdigest(), size

    def _write(self, claim: Claim, compressed: bytes) -> None:
        with self._incoming() as (file, name_as):
            file.write(compressed)
            name_as(claim)

    @contextmanager
    def _incoming(self) -> Iterator[tuple[BinaryIO, Callable[[Claim], None]]]:
        """A new file, and how it gets its name once it is whole; one without a name is gone in the end."""
        incoming = self._root / _INCOMING
        _make_folders(incoming)
        descriptor, name = mkstemp(dir=incoming)
        temporary = Path(name)

        def name_as(claim: Claim) -> None:
            file.flush()
            os.fsync(file.fileno())
            _make_folders(self._path(claim).parent)
            temporary.replace(self._path(claim))

        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file, name_as
        finally:
            temporary.unlink(missing_ok=True)

    def _put_aside(self, claim: Claim) -> None:
        aside = self._root / _QUARANTINE / claim.key
        with self._usable(), suppress(FileNotFoundError):
            _make_folders(aside.parent)
            self._path(claim).replace(aside)

    def _sync_folders(self, claim: Claim) -> None:
        """Make the names last, too: of the file and of every folder above, whoever made them."""
        folder = self._path(claim).parent
        while folder != self._root.parent:
            _sync_folder(folder)
            folder = folder.parent

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PayloadsUnavailable(f"the payload store cannot be used: {error.strerror or error}") from error


def _owner(folder: Path) -> tuple[str, str]:
    return folder.parent.name, folder.name


def _written_at(path: Path) -> float:
    """When a file, or anything in the folders of a job's runs, was written last; a moment ago if it is just going."""
    within = path.iterdir() if path.is_dir() else ()
    try:
        return max(float(each.stat().st_mtime) for each in (path, *within))
    except FileNotFoundError:
        return math.inf


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _make_folders(folder: Path) -> None:
    """Create a folder and those above it, all for their owner only."""
    for missing in reversed([folder, *folder.parents]):
        if not missing.is_dir():
            missing.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _inflated(compressed: bytes, claim: Claim) -> bytes:
    decompressor = zstd.ZstdDecompressor()
    try:
        return decompressor.decompress(compressed, max_length=claim.size + 1)
    except zstd.ZstdError:
        raise PayloadCorrupt(claim.key) from None
