"""Uploads in an S3-compatible service, as commands work on them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..settings.services import S3 as Settings
from .base import MediaError
from .folder import file_name
from .s3 import Reached, reached
from .stock import PIECE

_ABSENT = {"404", "NoSuchKey", "NotFound"}


class S3Stock:
    """A `Stock` in a bucket. What is put there passes through a nameless file in `spool`, so
    that its length and its digest, which the service checks, are known before it is sent.
    """

    def __init__(self, found: Reached, bucket: str, spool: Path) -> None:
        self._client, self._bucket, self._spool = found.client, bucket, spool
        self._errors: tuple[type[Exception], ...] = (OSError, *found.errors)

    @classmethod
    def of(cls, settings: Settings, spool: Path) -> S3Stock:
        """ConfigError as `reached`; MediaError if nobody answers."""
        found = reached(settings)
        if found.problem is not None:
            raise MediaError(f"s3://{settings.bucket}: {found.problem}")
        return cls(found, settings.bucket, spool)

    @property
    def where(self) -> str:
        return f"s3://{self._bucket}"

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Iterator[bytes] | None]:
        found = self._asked("get_object", name)
        if found is None:
            yield None
            return
        with contextlib.closing(found["Body"]) as body:
            yield self._pieces(name, body)

    def _pieces(self, name: str, body: Any) -> Iterator[bytes]:
        """Until as much has come as was announced."""
        while True:
            with self._told(name):
                piece = bytes(body.read(PIECE))
            if not piece:
                return
            yield piece

    def size(self, name: str) -> int | None:
        found = self._asked("head_object", name)
        return None if found is None else int(found["ContentLength"])

    def put(self, name: str, kind: str, pieces: Iterator[bytes]) -> bool:
        """One that is there already, byte for byte, is not sent again."""
        key, digest = file_name(name), hashlib.md5(usedforsecurity=False)
        with self._told(name):
            file = tempfile.TemporaryFile(dir=self._spool)  # noqa: SIM115  closed below
        with file:
            for piece in pieces:
                digest.update(piece)
                with self._told(name):
                    file.write(piece)
            size = file.tell()
            there = self._asked("head_object", name)
            if there and _is_same(there, size, digest.hexdigest()):
                return False
            with self._told(name):
                file.seek(0)
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=file,
                    ContentLength=size,
                    ContentType=kind,
                    ContentMD5=base64.b64encode(digest.digest()).decode("ascii"),
                )
        return there is None

    def remove(self, name: str) -> None:
        self._asked("delete_object", name)

    def _asked(self, request: str, name: str) -> dict[str, Any] | None:
        """The service's answer; None if there is no such file."""
        key = file_name(name)
        with self._told(name):
            try:
                return dict(getattr(self._client, request)(Bucket=self._bucket, Key=key))
            except self._errors as error:
                if getattr(error, "response", {}).get("Error", {}).get("Code") in _ABSENT:
                    return None
                raise

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise MediaError(f"{self.where}: upload {name}: {error}") from None


def _is_same(there: dict[str, Any], size: int, md5: str) -> bool:
    """The tag of an object that was sent in one piece is its digest; else it is sent again."""
    return bool(there["ContentLength"] == size and there["ETag"].strip('"') == md5)
