"""Secrets that have to be kept in the records: encrypted there, by a key that is not."""

import base64
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from orchestration.settings import Settings
from pipeline.errors import NoSecretKey

KEY_BYTES = 32


class Sealer:
    """Encrypts and decrypts texts by one key, of which any text with enough chance in it will do."""

    def __init__(self, key: str) -> None:
        # Imported here, as most processes have nothing to encrypt and it takes 6 MB.
        from cryptography.fernet import Fernet

        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))

    def seal(self, text: str) -> str:
        """The text, encrypted."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str | None:
        """What was sealed; None when it was by another key."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


def sealer_of(settings: Settings) -> Sealer:
    """By the key in the settings, or in the data directory of an embedded stack. Raises `NoSecretKey`."""
    if settings.secret_key is not None:
        return Sealer(settings.secret_key.get_secret_value())
    if settings.is_embedded:
        return Sealer(_key_in(settings.secret_key_file))
    raise NoSecretKey


def _key_in(path: Path) -> str:
    """The key in this file, which is made at its first use: complete or not at all, and by one of several."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()
