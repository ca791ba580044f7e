from __future__ import annotations

import pytest

from tinode_py.config import Settings
from tinode_py.core import hello
from tinode_py.core.modes import parse_default, parse_mode
from tinode_py.errors import Refused


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.25", (0, 25, 0)),
        ("0.25.3", (0, 25, 3)),
        ("0.25-rc1", (0, 25, 0)),
        ("0.25.3-rc1", (0, 25, 3)),
        ("0.25.x", (0, 25, 0)),
        ("1.0", (1, 0, 0)),
        ("v0.25", (0, 25, 0)),
        (" V0.25 ", (0, 25, 0)),
        (".25", (0, 25, 0)),
        ("1", (1, 0, 0)),
        ("-1.2", (-1, 2, 0)),
        ("0.", None),
        ("v", None),
        ("", None),
        ("0", None),
        ("x.y", None),
        ("0.25x", None),
        ("99999.1", None),
    ],
)
def test_versions(text: str, version: hello.Version | None):
    assert hello.parse_version(text) == version


def test_platforms():
    assert hello.platform("", "TinodeJS/0.25") == "web"
    assert hello.platform("", "Tindroid/1") == "android"
    assert hello.platform("", "tinodios") == "ios"
    assert hello.platform("", "curl") == ""
    assert hello.platform("ios", "TinodeJS") == "ios"


def test_params_tell_the_limits():
    params = hello.params(Settings.of(limits={"message_size": 4096}), "x:1")
    assert params["maxMessageSize"] == 4096
    assert params["msgDelAge"] == 600
    assert "iceServers" not in params


def test_params_with_calls():
    server = {"urls": ["turn:x"], "username": "u", "credential": "c"}
    params = hello.params(Settings.of(calls={"ice_servers": [server]}), "x:1")
    assert params["iceServers"] == [{"urls": ["turn:x"], "username": "u", "credential": "c"}]
    assert params["callTimeout"] == 30


def test_unlimited_deleting_is_not_told():
    assert "msgDelAge" not in hello.params(Settings.of(messages={"delete_age": 0}), "x:1")


def test_modes_of_packets():
    assert parse_mode("rwJ") == 7
    with pytest.raises(Refused):
        parse_mode("JX")
    assert parse_default("", 5) == parse_default("bogus", 5) == 5
    assert parse_default("N", 5) == 0
