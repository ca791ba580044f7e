"""Uploads in an S3-compatible service: a shelf elsewhere.

boto3 does the talking, in threads: it is no part of a plain installation (`tinode-py[s3]`).
Clients are sent to the service for the bytes, with an address that is good for a while; so it
must be reachable for them. There a file has an origin of its own, which is as good as a policy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import trio

from ..config import ConfigError
from ..records import Upload
from ..settings.services import S3 as Settings
from .base import MediaError
from .folder import file_name
from .kinds import is_active

log = logging.getLogger(__name__)

T = TypeVar("T")
GOOD_FOR = 900  # seconds of an address
_THREADS = 8  # requests to the service at a time
_CONNECTING, _READING = 5, 60  # seconds of one try
_TRIES = 3


def connect(settings: Settings) -> S3:
    """The shelf that the settings name; asks the service once. Blocks for a few seconds at most.

    ConfigError as `reached`. Where nobody answers, it is logged: chat goes on without files.
    """
    found = reached(settings)
    if found.problem is not None:
        log.error("the service for uploads does not answer", exc_info=found.problem)
    return S3(found.client, settings.bucket, found.errors)


@attrs.frozen
class Reached:
    """A client of the service, what it raises, and why nobody answered, if nobody did."""

    client: Any
    errors: tuple[type[Exception], ...]
    problem: Exception | None = None


def reached(settings: Settings) -> Reached:
    """A client of the service that the settings name, which was asked once. Blocks.

    ConfigError if boto3 is missing, or the service says that the bucket or the key is wrong.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
    except ImportError:
        reason = "needs boto3: pip install 'tinode-py[s3]'"
        raise ConfigError("media.s3.endpoint", reason) from None
    try:
        client = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region or "us-east-1",
            aws_access_key_id=settings.access_key or None,  # none: as boto3 finds one
            aws_secret_access_key=settings.secret_key or None,
            config=Config(
                connect_timeout=_CONNECTING,
                read_timeout=_READING,
                retries={"max_attempts": _TRIES, "mode": "standard"},
                # Not every service knows the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                signature_version="s3v4",
            ),
        )
        client.head_bucket(Bucket=settings.bucket)
    except ValueError as error:
        raise ConfigError("media.s3.endpoint", str(error)) from None
    except (ClientError, ParamValidationError) as error:
        raise ConfigError("media.s3.bucket", f"{settings.bucket}: {error}") from None
    except BotoCoreError as error:
        return Reached(client, (BotoCoreError, ClientError), error)
    return Reached(client, (BotoCoreError, ClientError))


class S3:
    """A `Shelf` in a bucket. `errors` are what `client` raises."""

    def __init__(self, client: Any, bucket: str, errors: tuple[type[Exception], ...]) -> None:
        self._client = client
        self._bucket = bucket
        self._errors: tuple[type[Exception], ...] = (OSError, *errors)
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def place(self, name: str, file: Path, kind: str) -> None:
        """The file is read from the disk as it is sent, and gone from there after that."""
        key = file_name(name)

        def send() -> None:
            with file.open("rb") as body:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=kind)
            file.unlink()

        await self._run(send, "kept")

    async def remove(self, name: str) -> None:
        key = file_name(name)
        await self._run(lambda: self._client.delete_object(Bucket=self._bucket, Key=key), "removed")

    async def locate(self, upload: Upload, *, attached: bool) -> str:
        """An address at the service, whether the file is there or not."""
        saved = attached or is_active(upload.type)
        asked = {
            "Bucket": self._bucket,
            "Key": file_name(upload.id),
            "ResponseContentType": upload.type,
            **({"ResponseContentDisposition": "attachment"} if saved else {}),
        }
        return await self._run(
            lambda: str(
                self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=GOOD_FOR)
            ),
            "found",
        )

    async def _run(self, work: Callable[[], T], done: str) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=self._limiter)
        except self._errors as error:
            raise MediaError(f"a file could not be {done}: {error}") from error
