"""The main group, and what becomes of errors: one line each, and an exit code."""

from __future__ import annotations

from typing import Any

import click

from tinode_py.config import ConfigError
from tinode_py.errors import StoreError
from tinode_py.store.lock import LockedError
from tinode_py.store.migrate import SchemaError

from .audit import audit
from .chat import chat
from .completion import completion
from .config import config
from .db import db
from .doctor import doctor
from .export import export, import_
from .failure import Failure, Unusable
from .import_tinode import tinode
from .key import key
from .message import message
from .push import push
from .serve import serve
from .session import session
from .stats import stats
from .topic import topic
from .user import user

_EXPECTED = (ConfigError, LockedError, SchemaError, StoreError)


class Commands(click.Group):
    """A group that turns the errors which are expected into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (*_EXPECTED, BaseExceptionGroup) as error:
            found = _only(error)
            if isinstance(found, click.ClickException):
                raise found from error
            if isinstance(found, StoreError):
                raise Failure(str(found)) from error
            if isinstance(found, _EXPECTED):
                raise Unusable(str(found)) from error
            raise


def _only(error: BaseException) -> BaseException:
    """The one error that a nursery wrapped, or the group itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tinode-py", prog_name="tinode-py")
def main() -> None:
    """A chat server that speaks the Tinode protocol."""


_COMMANDS = (
    *(serve, user, topic, message, session, key, audit, stats),
    *(db, export, import_),
    *(config, doctor, push, completion, chat),
)
for command in _COMMANDS:
    main.add_command(command)
import_.add_command(tinode)
