"""`tinode-py chat`: talk to people in a terminal, or play a conversation from standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import trio

from tinode_py.client import ClientError, FilePositions, Password, Register, stay_connected

from .chat_lines import Lines, Script, Terminal
from .chat_talk import Talk
from .failure import Failure

_WAIT = 10.0  # seconds for what a script expects


@click.command()
@click.argument("url", default="http://127.0.0.1:6060")
@click.option("--login", "login_name", required=True, metavar="NAME", help="Who you are.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its first line is the password; else TINODE_PASSWORD, else you are asked.",
)
@click.option("--register", is_flag=True, help="Make the account if nobody has that login.")
@click.option("--name", default="", help="With --register: the name that others see.")
@click.option("--topic", default="", metavar="TOPIC", help="Open it at the start.")
@click.option(
    "--on-message", default="", metavar="CMD", help="Run for each message, which it reads as JSON."
)
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Where you were.")
@click.option("--wait", default=_WAIT, metavar="SECONDS", help="How long a script's `<` waits.")
@click.option("--json", "as_json", is_flag=True, help="Print messages as JSON, one a line.")
def chat(
    url: str,
    login_name: str,
    password_file: Path | None,
    register: bool,
    name: str,
    topic: str,
    on_message: str,
    state: Path | None,
    wait: float,
    as_json: bool,
) -> None:
    """Talk to people on the server at URL. `:all` shows what can be typed.

    Standard input that is no terminal is a script: `> line` is typed, `< text` waits until a
    line with that text was shown, `#` begins a remark, any other line is typed as it stands.
    A script ends with 0 if everything came.
    """
    password = _password(password_file)
    account = {"desc": {"public": {"fn": name or login_name}}}
    login = Register(login_name, password, account) if register else Password(login_name, password)
    lines: Lines = Terminal() if sys.stdin.isatty() else Script(sys.stdin, wait)
    talk = Talk(lines, topic=topic, on_message=on_message, as_json=as_json)

    async def run() -> None:
        positions = FilePositions(state or _state_file())
        async with stay_connected(url, login, positions=positions, hi={"ua": _AGENT}) as user:
            await talk.run(user)

    try:
        trio.run(run)
    except* ClientError as group:
        raise Failure(f"{url}: {_reason(group.exceptions[0], login_name, register)}") from None
    except* (OSError, ValueError) as group:
        raise Failure(str(group.exceptions[0])) from None
    finally:
        lines.close()


_AGENT = "tinode-py-chat"


def _reason(error: BaseException, login: str, register: bool) -> str:
    """Why somebody did not get in, with what he can do about it."""
    assert isinstance(error, ClientError)
    match error.code, error.params.get("what"):
        case 401, _ if register:
            return f"the login {login!r} is taken, and the password is another one"
        case 401, _:
            return "no such login, or the password is another one; --register makes an account"
        case 403, _:
            return f"{error}: {login!r} is suspended, or the server registers nobody"
        case 422, "auth":
            return f"{login!r} is too short or too long for a login here, or holds odd characters"
        case 422, _:
            return "the password is too short or too long for this server"
        case _:
            return str(error)


def _password(file: Path | None) -> str:
    if file is not None:
        return file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    found = os.environ.get("TINODE_PASSWORD")
    if found is None and not sys.stdin.isatty():
        raise Failure("no password: give --password-file or TINODE_PASSWORD")
    return found or str(click.prompt("Password", hide_input=True))


def _state_file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(home) / "tinode-py"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "chat.json"
