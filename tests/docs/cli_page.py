"""Writes docs/cli.md: every subcommand, run on a folder of its own, with what it printed.

    python -m tests.docs.cli_page

Numbers of users and topics, times, sizes and paths are made the same for every run.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import click
import trio
from click.testing import CliRunner

from tests.cli.conftest import CHEAP, installed
from tests.docs.pages import DOCS
from tinode_py.server import Parts
from tinode_py.testing import running_server, trio_clock

PAGE = DOCS / "cli.md"
HEAD = """\
# The command line

`tinode-py COMMAND --help` says what a command takes. What follows was printed by the commands
themselves (`python -m tests.docs.cli_page`); a test runs them again.

- **Running or not.** Every command works beside a server that runs and on a stopped one, and
  says which way it went: what changes something goes through the server's control socket, or
  is the server itself for a moment; what only looks reads the database directly
  ([0015](decisions/0015-commands-are-roots-packets.md)). `db restore`, `db vacuum`,
  `db migrate` and `import` want a stopped server.
- **Which data.** `--data`, `--store`, `--config` and `--set` are those of `serve`, and so is the
  environment. Without them it is `tinode-data` in the working folder. With a chat in PostgreSQL
  commands are the same, but for `db vacuum` ([operating.md](operating.md#postgresql)).
- **`--json`** prints one object a line, with all members; times are milliseconds since 1970.
- **Exit codes.** 0 done; 1 refused or failed; 2 wrong use, a wrong setting, a database that
  this version cannot open, a folder in use. An error is one line on standard error.
- **WHO** is a login or a number (`usr…`).
- **Passwords** are asked for, or read from standard input, and never arguments.
"""
_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Accounts",
        "",
        (
            "user create alice --name Alice --password-stdin < password",
            "user create bobby --name Bobby --password-stdin --json < password",
            "user list",
            "user list bob --json",
            "user show alice",
            "user passwd alice --password-stdin < password",
            "user suspend bobby",
            "user activate bobby",
            "user root alice",
            "user root alice --revoke",
            "user create carol --password-stdin < password",
            "user delete carol --yes",
            "user suspend carol",
            "user export bobby",
        ),
    ),
    (
        "Messages",
        "A message is sent in somebody's name, and says so: `head.sender` is `usrAAAAAAAAAAA`.",
        (
            "message send bobby 'Shall we play?' --from alice",
            'message send alice \'{"txt": "Gladly"}\' --raw --from bobby --json',
            "message history {p2p}",
            "message search GLAD --from bobby",
            "message search --topic {p2p} --since 2020-01-31 --json",
            "message delete {p2p} 1",
        ),
    ),
    (
        "Topics",
        "",
        (
            "topic list",
            "topic list --kind grp --member alice",
            "topic show {grp}",
            "topic members {grp}",
            "topic retention {grp}",
            "topic retention {grp} --days 30",
            "topic set-owner {grp} bobby",
            "topic set-owner {grp} bobby",
            "topic publish {grp} backend",
            "topic delete {grp} --yes",
        ),
    ),
    (
        "Sessions and figures",
        "`live` counts the connections there are now. `stats --watch 2` draws anew every two"
        " seconds; beside a server it shows the server's figures as well.",
        ("session list", "session kick alice 1", "session list alice --all --json", "stats"),
    ),
    (
        "Keys of the business API",
        "",
        (
            "key create shop --scope messages:send --json",
            "key list",
            "key rotate {key} --grace 48",
            "key revoke {key}",
        ),
    ),
    (
        "Webhooks",
        "What they are is told of in [events.md](events.md#as-webhooks).",
        (
            "hook create https://backend.example/in --kind message.stored --off --json",
            "hook list",
            "hook rotate 1 --json",
            "hook dead 1",
            "hook replay 1",
            "hook test 2",
            "hook delete 1",
        ),
    ),
    (
        "Audit",
        "What was done with more than a user's own rights, the latest first"
        " ([operating.md](operating.md#audit)).",
        ("audit list --limit 5", "audit list --target {key} --json"),
    ),
    (
        "Database",
        "Backups, restoring and moving are told of in [operating.md](operating.md#backup), also"
        " from a Tinode server (`import tinode`).",
        (
            "db info",
            "db check",
            "db backup copy",
            "db verify copy",
            "db restore copy",
            "db restore copy --replace",
            "db vacuum",
            "db migrate",
            "export all.jsonl",
            "import all.jsonl",
            "import all.jsonl --data moved",
        ),
    ),
    (
        "Settings",
        "`config set` changes settings while the server runs, and for later starts: which may be,"
        " [configuration.md](configuration.md) says. They are kept in the store, before all other"
        " sources. A secret is given as `KEY=-` and a line of standard input.",
        (
            "config check",
            "config check --set limits.tagz=1",
            "config show --set limits.tags=8",
            "config explain limits.tags --set limits.tags=8",
            "config set limits.tags=5 log.level=debug",
            "config set server.listen=127.0.0.1:80",
            "config unset log.level limits.tags",
        ),
    ),
    (
        "Notifications",
        "",
        ("push test bobby", "push test bobby --set push.stdout=true"),
    ),
    (
        "Something is wrong",
        "`doctor` looks at the machine, the folder, the settings and the server.",
        ("doctor --set server.listen=unix:socket",),
    ),
)
_TAIL = """
## Chat

`tinode-py chat http://127.0.0.1:6060 --login alice` talks to people in a terminal.
It comes back when the connection is lost, and the next time it goes on where it was (`--state`).
`--register` makes the account; the password is asked for, or read from `--password-file` or the
environment (`TINODE_PASSWORD`).
`--on-message CMD` runs a command for each message of others, which it reads as JSON;
`--json` prints messages as JSON.

What can be typed, beside the table below: `:topics`, `:open TOPIC`, `:new NAME`, `:members`,
`:history [COUNT]`.

### What CIM's users type

| CIM | Here |
|---|---|
| `:all` | what can be typed |
| `:olu` | who is online: all where `users.directory = "open"`, else one's contacts |
| `:info` | who and where one is |
| `:pu prefix` | contacts, and those whom `:olu` shows, whose name begins so |
| `:q keyword` | messages of the current topic with a word |
| `:emoji` | names that become characters, such as `:smile:`; `:emoji 2` is the next page |
| `:delay text seconds` | say it later, as long as the program runs |
| `:ai` | be answered by nobody but the program |
| `:qai` | be heard by people again |
| `user;;text` | say something to one person: a name, a login or an id |
| `text` | say it in the current topic; it does not come back to the one who typed it |
| `:q!` | quit |
| `:q` | quit |

### Scripts

Standard input that is no terminal is a script.

```text
# greet bob, and go on when he has answered
> bob;;hello
< bob: hello yourself
```

`> line` is typed, `< text` waits until a line with that text was shown, after what was seen before
(`--wait` seconds, else exit code 1 and the number of the line), `#` begins a remark, and any
other line is typed as it stands.

## Completion

`eval "$(tinode-py completion bash)"` in `~/.bashrc`; `zsh` and `fish` likewise.

## Serving

`tinode-py serve` is in [operating.md](operating.md).
"""
_NAMES = re.compile(r"\b(usr|grp|p2p)([A-Za-z0-9_-]{22}|[A-Za-z0-9_-]{11})(?![\w-])")
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_WIDTH = 160  # characters of a line that are shown
# Not shown, because they have no output of their own to show.
ELSEWHERE = {"serve", "completion", "chat", "import lines", "import tinode"}


@attrs.define
class Player:
    """Runs commands in a folder, and makes what they print the same every time."""

    folder: Path
    names: dict[str, str] = attrs.field(factory=dict)
    first: dict[str, str] = attrs.field(factory=dict)  # of each kind, the number as it really is

    def run(self, line: str) -> str:
        """What is shown: the command as typed, then what it printed."""
        typed, _, stdin = line.partition(" < ")
        real = re.sub(r"\{(\w+)\}", lambda it: self.first[it[1]], typed)
        args = shlex.split(real)
        for at, arg in enumerate(args):
            if arg in ("copy", "all.jsonl", "moved"):
                args[at] = str(self.folder / arg)
        looks = args[0] == "config" and args[1] not in ("set", "unset")
        if not looks and "verify" not in args and "--data" not in args:
            args += ["--data", str(self.folder / "tinode-data")]
        if args[0] == "user":
            args += CHEAP
        typist = {"SUDO_USER": "ada"}
        done = CliRunner(env=typist).invoke(
            installed(), args, input="good-password\n" if stdin else ""
        )
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        shown = self._same(f"$ tinode-py {typed}\n{done.output}")
        code = f"(exit code {done.exit_code})\n" if done.exit_code else ""
        for kind, name in self.first.items():
            shown = shown.replace(f"{{{kind}}}", self.names[name])
        return shown + code

    def _same(self, text: str) -> str:
        text = text.replace(str(self.folder), "/srv").replace(str(Path.cwd()), "/srv")
        text = _NAMES.sub(self._name, text)
        text = _TIMES.sub(lambda it: f"2026-01-31T12:00:00{'.000' if it[1] else ''}Z", text)
        text = re.sub(r"\b1[789]\d{11}\b", "1769860800000", text)
        text = re.sub(r"before-restore-\d+-\d+", "before-restore-20260131-120000", text)
        text = re.sub(r"(size|journal|pages|free_pages|sqlite)( +)[\d.]+", r"\1\2…", text)
        text = re.sub(
            r"^(python|sqlite|open files|disk|database)( +)(good|note|bad )( +)[^\n]*",
            r"\1\2good\4…",
            text,
            flags=re.M,
        )
        text = re.sub(r"had \d+ bytes, has \d+", "had … bytes, has …", text)
        text = re.sub(r"(lines?|schema|before) \d+", r"\1 …", text)
        text = re.sub(r"\d+ (lines|keys)", r"… \1", text)
        text = re.sub(r"tnk_([\w-]+)\.[\w-]+", self._key, text)
        text = re.sub(r'"secret": "[^"]+"', '"secret": "…"', text)
        for key in [name for name in self.names if name == self.first.get("key")]:
            text = text.replace(key, self.names[key])
        text = re.sub(r'("schema": |schema +)\d+', r"\1…", text)
        return "".join(f"{_cut(line.rstrip())}\n" for line in text.splitlines())

    def _key(self, found: re.Match[str]) -> str:
        self.first.setdefault("key", found[1])
        self.names.setdefault(found[1], "00000000key")
        return f"tnk_{found[1]}.…"

    def _name(self, found: re.Match[str]) -> str:
        name, kind = found[0], found[1]
        if name == "usrAAAAAAAAAAA":
            return name
        if name not in self.names:
            self.first.setdefault(kind, name)
            number = sum(known.startswith(kind) for known in self.names) + 1
            self.names[name] = kind + str(number).rjust(len(found[2]), "0")
        return self.names[name]


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…"


def written() -> Iterator[str]:
    """The page, part by part."""
    with tempfile.TemporaryDirectory() as folder:
        player = Player(Path(folder))
        yield HEAD
        for heading, intro, lines in _SECTIONS:
            yield f"\n## {heading}\n\n" + (f"{intro}\n\n" if intro else "")
            if heading == "Topics":
                _make_group(player)
            yield "```console\n" + "\n".join(player.run(line) for line in lines) + "```\n"
        yield _TAIL


def _make_group(player: Player) -> None:
    """A group, which no command makes: that is for its people."""

    async def live() -> str:
        server = {"data": str(player.folder / "tinode-data"), "store": ""}
        parts = Parts(trio_clock(), os.urandom, inline=True)
        async with (
            running_server(server=server, parts=parts) as running,
            running.connect() as alice,
            running.connect() as bobby,
        ):
            for client, name, platform in ((alice, "alice", "ios"), (bobby, "bobby", "web")):
                await client.hi(ua=f"{name}'s", platf=platform)
                await client.login(name, "good-password")
            made = await alice.sub("new", set={"desc": {"public": {"fn": "Chess"}}})
            await bobby.sub(made.topic)
            await alice.pub(made.topic, "Who plays?")
            return made.topic

    player.first["grp"] = trio.run(live)
    player.names[player.first["grp"]] = "grp" + "1".rjust(11, "0")


def commands() -> Iterator[str]:
    """Every subcommand there is, as it is typed."""
    root = installed()
    assert isinstance(root, click.Group)
    for name, command in root.commands.items():
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in command.commands)
        else:
            yield name


if __name__ == "__main__":
    PAGE.write_text("".join(written()), "utf-8")
