from __future__ import annotations

import pytest

from tinode_py import errors
from tinode_py.auth.invite import check_registration
from tinode_py.config import Settings
from tinode_py.errors import Refused
from tinode_py.settings.accounts import Auth


def rules(registration: str) -> Auth:
    invite = {"codes": ["welcome", "привет"]}
    return Settings.of(auth={"registration": registration, "invite": invite}).auth


def test_open_asks_for_nothing() -> None:
    check_registration(rules("open"), [])


@pytest.mark.parametrize("code", ["welcome", "привет"])
def test_an_invitation_opens(code: str) -> None:
    check_registration(rules("invite"), [("email", "a@b.c"), ("invite", code)])


@pytest.mark.parametrize(
    ("registration", "offered", "answer", "params"),
    [
        ("closed", [("invite", "welcome")], errors.DENIED, None),
        ("invite", [], errors.POLICY, {"creds": ["invite"]}),
        ("invite", [("email", "welcome")], errors.POLICY, {"creds": ["invite"]}),
        ("invite", [("invite", "")], errors.INVALID_RESPONSE, {"what": "invite"}),
        ("invite", [("invite", "welcom")], errors.INVALID_RESPONSE, {"what": "invite"}),
    ],
)
def test_what_does_not_open(
    registration: str, offered: list[tuple[str, str]], answer: object, params: object
) -> None:
    with pytest.raises(Refused) as caught:
        check_registration(rules(registration), offered)
    assert (caught.value.answer, caught.value.params) == (answer, params)
