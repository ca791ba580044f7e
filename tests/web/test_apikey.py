from __future__ import annotations

import base64

import pytest

from tests.web.parts import KEY
from tinode_py.settings.serving import DEFAULT_API_SALT
from tinode_py.web.apikey import ApiKeys, find_key, make_key

SALT = base64.b64decode(DEFAULT_API_SALT)
KEYS = ApiKeys(DEFAULT_API_SALT)


def test_keys_of_the_salt_before_are_valid_until_a_time():
    clock = [10]
    old, new = (base64.b64encode(text).decode() for text in (b"old", b"new"))
    keys = ApiKeys(new, (), (old, 20), lambda: clock[0])
    assert keys.valid(make_key(b"old"))
    assert keys.valid(make_key(b"new"))
    assert keys.make() == make_key(b"new")
    clock[0] = 20
    assert not keys.valid(make_key(b"old"))
    assert keys.valid(make_key(b"new"))
    keys.become(ApiKeys(old))
    assert keys.valid(make_key(b"old"))
    assert not keys.valid(make_key(b"new"))
    assert not ApiKeys("", (), ("", 20), lambda: 0).valid(make_key(b""))


def test_the_key_of_the_official_clients_is_what_the_salt_makes():
    assert make_key(SALT) == KEY
    assert KEYS.valid(KEY)
    assert KEYS.valid(make_key(SALT, app_id=7, sequence=65_535, root=True))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="none"),
        pytest.param(KEY.replace("_", "/"), id="standard alphabet"),
        pytest.param(KEY + "==", id="padded"),
        pytest.param(KEY[:-1], id="short"),
        pytest.param(KEY[:-1] + "L", id="last character"),
        pytest.param("Ag" + KEY[2:], id="version"),
        pytest.param(KEY + "\n", id="newline"),
        pytest.param("é" * 32, id="not ASCII"),
        pytest.param("\udcff", id="surrogate"),
        pytest.param(make_key(b"another salt"), id="another salt"),
    ],
)
def test_anything_else_is_not_valid(key: str):
    assert not KEYS.valid(key)


def test_another_salt_and_listed_keys():
    keys = ApiKeys(base64.b64encode(b"mine").decode(), ["any text"])
    assert keys.valid(make_key(b"mine"))
    assert keys.valid("any text")
    assert not keys.valid(KEY)
    assert not ApiKeys("").valid(make_key(b""))
    with pytest.raises(ValueError, match="base64"):
        ApiKeys("not base64!")


@pytest.mark.parametrize(
    ("header", "query", "form", "cookie", "found"),
    [
        ("h", "apikey=q", {"apikey": "f"}, "apikey=c", "h"),
        ("", "apikey=q", {"apikey": "f"}, "apikey=c", "q"),
        ("", "apikey=", {"apikey": "f"}, "apikey=c", "f"),
        ("", "APIKEY=q", {}, "a=b; apikey=c; d", "c"),
        ("", "a=1&apikey=x%5Fy&apikey=z", {}, "", "x_y"),
        ("", "%", {"ApiKey": "f"}, "apikey", ""),
    ],
)
def test_the_first_that_is_not_empty_decides(header, query, form, cookie, found):
    assert find_key(header, query, form, cookie) == found
