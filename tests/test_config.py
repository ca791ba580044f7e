from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from docs import generate
from tinode_py.config import ConfigError, Settings, database, load
from tinode_py.wire.limits import DEEPEST, WireLimits

ROOT = Path(__file__).parent.parent


def write(folder: Path, text: str) -> Path:
    file = folder / "server.toml"
    file.write_text(text)
    return file


def test_defaults_need_no_source() -> None:
    assert load() == Settings()
    assert Settings().limits.message_size == 131072
    assert Settings().server.listen == ("127.0.0.1:6060",)


def test_precedence_file_environment_set(tmp_path: Path) -> None:
    file = write(tmp_path, "[limits]\ntags = 1\ndepth = 10\ninflight = 5\n")
    environ = {"TINODE_LIMITS__TAGS": "2", "TINODE_LIMITS__DEPTH": "20"}
    limits = load(file, environ, ["limits.tags=3"]).limits
    assert (limits.tags, limits.depth, limits.inflight) == (3, 20, 5)


def test_nested_tables_from_every_source(tmp_path: Path) -> None:
    file = write(tmp_path, '[auth.basic]\nmin_login = 3\n[web.tls]\ncert = "a.pem"\n')
    environ = {"TINODE_AUTH__BASIC__MIN_PASSWORD": "8"}
    settings = load(file, environ, ["auth.token.expire=60"])
    assert settings.auth.basic.min_login == 3
    assert settings.auth.basic.min_password == 8
    assert settings.auth.token.expire == 60
    assert settings.web.tls.cert == "a.pem"


def test_lists_of_tables(tmp_path: Path) -> None:
    file = write(tmp_path, '[calls]\nice_servers = [{ urls = ["stun:stun.example.com"] }]\n')
    (server,) = load(file).calls.ice_servers
    assert server.urls == ("stun:stun.example.com",)


def test_foreign_variables_are_not_ours() -> None:
    environ = {
        "TINODE_PORT": "tcp://10.0.0.1:6060",
        "TINODE_SERVICE_HOST": "10.0.0.1",
        "TINODE_PORT_6060_TCP": "x",
        "tinode_limits__tags": "3",
        "LIMITS__TAGS": "3",
    }
    assert load(None, environ) == Settings()


@pytest.mark.parametrize(
    ("item", "path", "value"),
    [
        ("log.format=json", "log.format", "json"),
        ('log.format="json"', "log.format", "json"),
        ("smtp.password=1234", "smtp.password", "1234"),
        ('smtp.password="1234"', "smtp.password", "1234"),
        ("smtp.password=a=b", "smtp.password", "a=b"),
        ("server.listen=[::1]:80", "server.listen", ("[::1]:80",)),
        ('server.listen=["a:1", "b:2"]', "server.listen", ("a:1", "b:2")),
        ("auth.invite.codes=1234", "auth.invite.codes", ("1234",)),
        ("server.drain_seconds=2", "server.drain_seconds", 2.0),
        ("web.forwarded_for=true", "web.forwarded_for", True),
        ("server.data=x\ny = 1", "server.data", "x\ny = 1"),
    ],
)
def test_values_given_as_text(item: str, path: str, value: object) -> None:
    found: object = load(sets=[item])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("item", "key", "reason"),
    [
        ("limits.tagz=1", "limits.tagz", "did you mean limits.tags?"),
        ("limitz.tags=1", "limitz.tags", "did you mean limits?"),
        ("auth.basic.min=1", "auth.basic.min", "unknown key"),
        ("limits.tags.more=1", "limits.tags", "wants a whole number, not a list or a table"),
        ("limits.tags=many", "limits.tags", "wants a whole number, not a text"),
        ("limits.tags=true", "limits.tags", "wants a whole number, not true or false"),
        ("limits.tags=1.5", "limits.tags", "wants a whole number, not a number"),
        ("limits.tags=-1", "limits.tags", "wants a number from 0"),
        ("server.drain_seconds=nan", "server.drain_seconds", "wants a number"),
        ("server.drain_seconds=inf", "server.drain_seconds", "wants a number"),
        ("limits=1", "limits", "wants a table"),
        ("log.level=loud", "log.level", "'debug' | 'info' | 'warning' | 'error'"),
        ("web.forwarded_for=1", "web.forwarded_for", "wants true or false, not a whole number"),
        ("web.origins=[1]", "web.origins", "wants a text, not a whole number"),
        ("web.origins=*", "web.origins", "'*' is no origin"),
        ("web.cors_origins=chat.example", "web.cors_origins", "is no origin"),
        ("web.cors_origins=https://a.example/page", "web.cors_origins", "is no origin"),
        ("web.public_url=chat.example", "web.public_url", "wants an address"),
        ("cluster.listen=7070", "cluster.listen", "wants host:port"),
        ("cluster.listen=10.0.0.1:70700", "cluster.listen", "wants host:port"),
        ("cluster.listen=:7070", "cluster.advertise", "names no host"),
        ("cluster.listen=[::]:7070", "cluster.advertise", "names no host"),
        ("cluster.advertise=node.example", "cluster.advertise", "wants host:port"),
        ("cluster.tls.key=/nosuch", "cluster.tls.cert", "cert, key and ca, or none"),
        ("cluster.lease=0.1", "cluster.lease", "from 0.5 to 300"),
        ("web.public_url=https://chat.example/?a=b", "web.public_url", "wants an address"),
        ("cluster.assign=nearest", "cluster.assign", "'round_robin' | 'random'"),
        ("auth.token.serial=65536", "auth.token.serial", "wants a number from 0 to 65535"),
        ("no equals", "no equals", "--set wants key=value"),
    ],
)
def test_what_cannot_be_used_is_named(item: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)) as caught:
        load(sets=[item])
    assert caught.value.key == key


def test_unknown_keys_are_refused_from_file_and_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"limits\.colour: unknown key"):
        load(write(tmp_path, "[limits]\ncolour = 1\n"))
    with pytest.raises(ConfigError, match=r"limits\.colour: unknown key"):
        load(None, {"TINODE_LIMITS__COLOUR": "1"})
    with pytest.raises(ConfigError, match=r"nothing\.at_all: unknown key"):
        load(None, {"TINODE_NOTHING__AT_ALL": "1"})


@pytest.mark.parametrize("content", [b"[limits\n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml: not TOML"):
        load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_settings_for_embedding() -> None:
    settings = Settings.of(limits={"message_size": 4096}, auth={"basic": {"min_login": 2}})
    assert settings.limits.message_size == 4096
    assert settings.auth.basic.min_login == 2
    with pytest.raises(ConfigError, match=r"limits\.nothing"):
        Settings.of(limits={"nothing": 1})


def test_settings_can_be_evolved() -> None:
    changed = attrs.evolve(Settings(), log=attrs.evolve(Settings().log, level="debug"))
    assert changed.log.level == "debug"


def test_a_printed_setting_shows_no_secret() -> None:
    settings = load(sets=["smtp.password=canary", "auth.invite.codes=canary"])
    assert "canary" not in repr(settings)


@pytest.mark.parametrize("depth", [8, 300])
def test_every_depth_that_may_be_set_can_be_kept(depth: int) -> None:
    settings = Settings.of(limits={"depth": depth})
    assert WireLimits(depth=settings.limits.depth).depth == depth


def test_a_depth_that_the_codecs_cannot_keep_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"limits\.depth"):
        load(sets=[f"limits.depth={DEEPEST + 1}"])


def test_which_database() -> None:
    assert database(Settings()) == Path("tinode-data/tinode.db")
    assert database(Settings.of(server={"data": "/d"})) == Path("/d/tinode.db")
    assert database(Settings.of(server={"store": "sqlite:///x.db"})) == Path("x.db")
    assert database(Settings.of(server={"store": "sqlite:////x.db"})) == Path("/x.db")
    assert database(Settings.of(server={"store": "memory:"})) is None
    with pytest.raises(ConfigError, match=r"server\.store"):
        database(Settings.of(server={"store": "mysql://x"}))


def test_the_page_of_the_documentation_is_the_generated_one() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == generate.configuration(), "run: python docs/generate.py"


def test_an_outbox_holds_the_largest_message() -> None:
    with pytest.raises(ConfigError, match=r"limits\.outbox"):
        Settings.of(limits={"outbox": 65536, "message_size": 131072})


def test_a_node_of_a_cluster() -> None:
    store = {"store": "postgresql://db.example/tinode"}
    node = Settings.of(server=store, cluster={"listen": "10.0.0.1:7070"}).cluster
    assert (node.advertise, node.lease) == ("", 5.0)
    tls = {"cert": "a", "key": "b", "ca": "c"}
    cluster = {"listen": "0.0.0.0:7070", "advertise": "[fe80::1]:7070", "tls": tls}
    assert Settings.of(server=store, cluster=cluster).cluster.tls.ca == "c"
    with pytest.raises(ConfigError, match=r"cluster\.queue: wants at least limits\.message_size"):
        Settings.of(server=store, cluster={"listen": "10.0.0.1:7070", "queue": 65536})
