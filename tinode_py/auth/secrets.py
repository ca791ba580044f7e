"""Secrets that the server makes for itself at its first start, kept in the data folder.

`<data>/secrets.toml` has mode 600 and holds the key that signs tokens, in base64. Who deletes
it logs everybody out. Reading and making it blocks for a moment.
"""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import attrs

from ..config import ConfigError
from ..disk import write_secret

FILE = "secrets.toml"
KEY_LENGTH = 32
_HEAD = "# Made by tinode-py. Whoever has this key can log in as anybody: keep it to yourself.\n"


@attrs.frozen
class Secrets:
    token_key: bytes = attrs.field(repr=False)

    @classmethod
    def fresh(cls, random_bytes: Callable[[int], bytes] = os.urandom) -> Secrets:
        """New secrets, kept nowhere: for a server without a data folder."""
        return cls(random_bytes(KEY_LENGTH))


def make_folder(folder: Path) -> None:
    """Make the data folder, for its owner only, if it is missing; ConfigError if it cannot be.

    The access of a folder that exists is left as the operator has it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("server.data", f"{folder}: {error.strerror}") from None


def load_secrets(folder: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> Secrets:
    """The secrets of this data folder, made now if there are none; only the owner can read them.

    Written in one step: after a crash the file is there, whole, or not. The caller holds the
    folder's lock. ConfigError if the file cannot be used: then it is left as it is.
    """
    path = folder / FILE
    try:
        if not path.exists():
            _write(path, Secrets.fresh(random_bytes))
        path.chmod(0o600)
        return _parse(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError("server.data", f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError("server.data", f"{path}: damaged, restore it from a backup") from None


def keep_secrets(folder: Path, secrets: Secrets) -> None:
    """Make the file, of secrets that are known already. FileExistsError if there are others.

    The caller holds the folder's lock. ConfigError if the file cannot be used.
    """
    path = folder / FILE
    if not path.exists():
        _write(path, secrets)
    elif load_secrets(folder) != secrets:
        raise FileExistsError(17, "other secrets are there", str(path))


def _parse(text: str) -> Secrets:
    key = base64.b64decode(tomllib.loads(text)["token_key"], validate=True)
    if len(key) < KEY_LENGTH:
        raise ValueError("wrong length")
    return Secrets(key)


def _write(path: Path, secrets: Secrets) -> None:
    key = base64.b64encode(secrets.token_key).decode()
    write_secret(path, f'{_HEAD}token_key = "{key}"\n')
