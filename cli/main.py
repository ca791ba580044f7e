"""The main group, and what becomes of errors: one line each, and an exit code."""

from __future__ import annotations

import importlib
from typing import Any

import click

from tinode_py.config import ConfigError
from tinode_py.errors import StoreError
from tinode_py.media.base import MediaError
from tinode_py.store.lock import LockedError
from tinode_py.store.migrate import SchemaError

from .failure import Failure, Unusable

# A command by its name, and the module that has it: imported when it is meant, else whoever
# starts a server would wait for the terminal's toolkit.
_COMMANDS = {
    name: name
    for name in (
        *("serve", "user", "topic", "message", "session", "key", "hook", "audit", "stats"),
        *("db", "export", "config", "doctor", "push", "completion", "chat"),
    )
} | {"import": "export"}
_EXPECTED = (ConfigError, LockedError, MediaError, SchemaError, StoreError)


class Commands(click.Group):
    """The group of all commands; it turns the errors which are expected into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{_COMMANDS[cmd_name]}", __package__)
        name = "import_" if cmd_name == "import" else cmd_name
        command: click.Command = getattr(module, name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            raise Unusable("PostgreSQL wants psycopg: pip install 'tinode-py[postgres]'") from None
        except (*_EXPECTED, BaseExceptionGroup) as error:
            found = _only(error)
            if isinstance(found, click.ClickException):
                raise found from error
            if isinstance(found, StoreError | MediaError):
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
