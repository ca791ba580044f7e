"""`tinode-py chat` as a person has it, at a pseudo-terminal, and as a script."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner

from tests.cli.conftest import installed
from tests.docs.pages import DOCS, rows, section
from tests.process import PATIENCE, command, environment
from tinode_py.client import Chat, Event, Note, Password, stay_connected
from tinode_py.testing import ThreadServer, password_of, server_in_thread

pytestmark = pytest.mark.slow
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|\r")


def arguments(server: ThreadServer, name: str, folder: Path, *more: str) -> list[str]:
    state = ("--state", str(folder / "state.json"))
    return command("chat", server.url, "--login", name, *state, *more)


def play(server: ThreadServer, name: str, folder: Path, script: str, *more: str):
    """Run a script; what it printed, and how it ended."""
    return subprocess.run(
        arguments(server, name, folder, *more),
        input=script,
        env=environment(TINODE_PASSWORD=password_of(name)),
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


@attrs.define(eq=False)
class Screen:
    """What stands on a terminal, and the keyboard of it."""

    master: int
    leave: str
    said: str = ""
    _position: int = 0

    async def type(self, line: str) -> None:
        await self.press(line + "\r")

    async def press(self, keys: str) -> None:
        await trio.to_thread.run_sync(os.write, self.master, keys.encode())

    async def see(self, text: str) -> None:
        """Wait until a text is shown, after what was seen before."""
        with trio.move_on_after(PATIENCE) as patience:
            while (found := self.said.find(text, self._position)) < 0:
                await trio.lowlevel.wait_readable(self.master)
                try:
                    chunk = os.read(self.master, 65_536)
                except OSError:  # the other end is closed
                    break
                self.said += _ESCAPES.sub("", chunk.decode("utf-8", "replace"))
            else:
                self._position = found + len(text)
                return
        raise AssertionError(f"{text!r} is not in {self.said[self._position :]!r} ({patience})")

    async def quit(self, process: trio.Process) -> None:
        """Type what leaves, until it is taken: keys that come while something is shown are lost
        where the terminal is not the controlling one. What is shown meanwhile is read away.
        """
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_away)
                while process.poll() is None:
                    await self.press(self.leave)
                    with trio.move_on_after(PATIENCE / 6):
                        await process.wait()
                nursery.cancel_scope.cancel()

    async def _read_away(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self.master)
            os.read(self.master, 65_536)


@contextlib.asynccontextmanager
async def terminal(
    server: ThreadServer, name: str, folder: Path, leave: str = ":q!\r"
) -> AsyncIterator[Screen]:
    """A terminal, which is left in the end by typing `leave`, and is then as it was before."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    env = environment(TINODE_PASSWORD=password_of(name), TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1")
    process = await trio.lowlevel.open_process(
        arguments(server, name, folder), env=env, stdin=slave, stdout=slave, stderr=slave
    )
    try:
        screen = Screen(master, leave)
        yield screen
        await screen.quit(process)
        assert process.returncode == 0
        assert termios.tcgetattr(slave) == before
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        os.close(slave)
        os.close(master)


@contextlib.asynccontextmanager
async def person(server: ThreadServer, name: str) -> AsyncIterator[Chat]:
    async with stay_connected(server.url, Password(name, password_of(name))) as chat:
        yield chat


# What is typed, by the command in docs/cli.md, and what is shown then.
TYPED = {
    ":all": (":all", "say it in the current topic"),
    ":olu": (":olu", "  bob (usr"),
    ":info": (":info", "  alice (usr"),
    ":pu prefix": (":pu BO", "  bob (usr"),
    ":q keyword": (":q second", "1 second thoughts"),
    ":emoji": (":emoji", "😄 :smile:"),
    ":delay text seconds": (":delay see you 1", "* said: see you"),
    ":ai": (":ai", "nobody hears you now"),
    ":qai": (":qai", "people hear you"),
    "user;;text": ("bob;;between us", ""),
    "text": ("to all of you :fire:", ""),
    ":q!": ("", ""),
    ":q": ("", ""),
}


async def test_every_command_of_cim_at_a_terminal(tmp_path: Path):
    table = rows(section(DOCS / "cli.md", "### What CIM's users type"))
    assert [row[0].strip("`") for row in table] == list(TYPED)
    with server_in_thread() as server:
        for name in ("alice", "bob"):
            await trio.to_thread.run_sync(server.account, name)
        async with person(server, "bob") as bob, terminal(server, "alice", tmp_path) as screen:
            heard = bob.messages()
            await screen.see("* you are usr")
            await screen.type("bob;;hello")
            hello = await anext(heard)
            assert hello.text == "hello"
            await screen.type(":new Friends")
            await screen.see("* in Friends (grp")
            await screen.type(":info")
            await screen.see("in Friends")
            await screen.type("second thoughts")
            await bob.publish(hello.topic, "hello yourself")
            await screen.see("bob: hello yourself")
            await screen.type(":q second")
            await screen.see("1 Friends | alice: second thoughts")
            for typed, shown in TYPED.values():
                if typed and "second" not in typed:
                    await screen.type(typed)
                    if shown:
                        await screen.see(shown)
            assert (await anext(heard)).text == "between us"
            await screen.type(":history")
            await screen.see("Friends | alice: to all of you 🔥")
            await screen.type(":nonsense")
            await screen.see("! :nonsense is nothing that can be typed")
            assert "alice: between us" not in screen.said, "what was typed came back"


async def test_typing_a_lost_connection_and_ctrl_c(tmp_path: Path):
    with server_in_thread() as server:
        for name in ("alice", "bob"):
            await trio.to_thread.run_sync(server.account, name)
        async with person(server, "bob") as bob:
            heard, happened = bob.messages(), bob.events()
            async with terminal(server, "alice", tmp_path, leave="\x03") as screen:
                await screen.see("* you are usr")
                await screen.type("bob;;hello")
                alice = (await anext(heard)).topic
                await screen.type(":open bob")
                await screen.see("* in bob (usr")
                await bob.typing(alice)
                await screen.see("* bob is typing")
                await bob.follow(alice)
                await screen.press("h")
                assert await _note(happened) == ("kp", alice)
                await screen.press("\x7f")
                await trio.to_thread.run_sync(server.drop_connections)
                await screen.see("* the connection is lost")
                await bob.publish(alice, "are you there?")
                await screen.see("* connected")
                await screen.see("bob: are you there?")
                await screen.type("I am back")
                while (message := await anext(heard)).text != "I am back":
                    pass
                assert message.topic == alice
                assert screen.said.count("bob: are you there?") == 1
                screen.leave = "half a line\x03"


async def _note(happened: AsyncIterator[Event]) -> tuple[str, str]:
    """What the next note says, and of whom."""
    with trio.fail_after(PATIENCE):
        while not isinstance(event := await anext(happened), Note):
            pass
    return event.what, event.sender


async def test_who_is_online_where_the_directory_is_open(tmp_path: Path):
    with server_in_thread(users={"directory": "open"}) as server:
        for name in ("alice", "carol"):
            await trio.to_thread.run_sync(server.account, name)
        async with person(server, "carol"):
            script = "> :olu\n<   carol (usr\n> :pu CA\n<   carol (usr\n"
            done = await trio.to_thread.run_sync(play, server, "alice", tmp_path, script)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "  alice (usr" not in done.stdout


async def test_q_alone_quits(tmp_path: Path):
    with server_in_thread() as server:
        await trio.to_thread.run_sync(server.account, "alice")
        done = await trio.to_thread.run_sync(play, server, "alice", tmp_path, "> :q\n< never\n")
    assert done.returncode == 0, done.stderr


async def test_a_script_and_where_it_was(tmp_path: Path):
    with server_in_thread() as server:
        for name in ("alice", "bob"):
            await trio.to_thread.run_sync(server.account, name)
        async with person(server, "bob") as bob:
            heard = bob.messages()

            async def answer() -> None:
                message = await anext(heard)
                await bob.publish(message.topic, f"You said: {message.text}")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                script = "# a greeting\n> bob;;hello\n< bob: You said: hello\n"
                done = await trio.to_thread.run_sync(play, server, "alice", tmp_path, script)
            assert done.returncode == 0, done.stderr
            await bob.publish(bob_s(done.stdout), "while you were away")
        script = "< bob: while you were away\n"
        done = await trio.to_thread.run_sync(play, server, "alice", tmp_path, script)
        assert done.returncode == 0, done.stderr
        assert "You said" not in done.stdout
        more = ("--wait", "1", "--json")
        done = await trio.to_thread.run_sync(play, server, "alice", tmp_path, "< x\n", *more)
        assert done.returncode == 1
        assert done.stderr == "Error: line 1: 'x' was not shown in 1 seconds\n"
        assert "away" not in done.stdout


def bob_s(said: str) -> str:
    """Alice's id, as her client says it."""
    found = re.search(r"you are (usr\S+)", said)
    assert found
    return found[1]


async def test_each_message_is_handed_to_a_command(tmp_path: Path):
    with server_in_thread() as server:
        for name in ("alice", "bob"):
            await trio.to_thread.run_sync(server.account, name)
        log = tmp_path / "log"
        program = tmp_path / "keep.py"
        program.write_text(
            f"import sys\nopen({str(log)!r}, 'a').write(sys.stdin.read())\n", "utf-8"
        )
        keep = f"{sys.executable} {program}"
        async with person(server, "bob") as bob, trio.open_nursery() as nursery:
            heard = bob.messages()

            async def answer() -> None:
                message = await anext(heard)
                await bob.publish(message.topic, "one")
                await bob.publish(message.topic, "two")

            nursery.start_soon(answer)
            script = "> bob;;go on\n< bob: two\n< ended with\n"
            more = ("--on-message", keep, "--wait", "5")
            await trio.to_thread.run_sync(play, server, "alice", tmp_path, script, *more)
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        assert [line["content"] for line in lines] == ["one", "two"]
        assert lines[0].keys() >= {"topic", "seq", "sender", "ts"}


def test_what_goes_wrong_is_one_line(tmp_path: Path):
    again = ("--register",)
    wrongs = (
        ("alice", "wrong-one", (), "the password is another one; --register makes an account"),
        ("alice", "wrong-one", again, "'alice' is taken, and the password is another one"),
        ("al", "long-enough", again, "'al' is too short or too long for a login"),
        ("dora1", "x", again, "the password is too short"),
    )
    with server_in_thread(auth={"basic": {"min_login": 4, "min_password": 6}}) as server:
        server.account("alice")
        for who, password, more, said in wrongs:
            line = ("chat", server.url, "--login", who, "--state", str(tmp_path / "state"), *more)
            done = CliRunner(env={"TINODE_PASSWORD": password}).invoke(installed(), line)
            assert done.exit_code == 1, done.output
            assert done.stderr.startswith(f"Error: {server.url}: ")
            assert said in done.stderr
            assert done.stderr.count("\n") == 1
