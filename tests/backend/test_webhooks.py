"""Who may post to a webhook's service: only the server, only now, only what it has signed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinode_py.backend import BackendError, BadSignature, Nonsense, Verifier
from tinode_py.wire.signature import signature

NOW = 1_772_359_200
EVENTS = [
    {"id": 4, "kind": "user.online", "ts": "2026-03-01T10:00:00.000Z", "user": "usrAAAAAAAAAAE"},
    {"id": 7, "kind": "message.stored", "topic": "grp", "message": {"seq": 1, "content": "ü"}},
]
BODY = json.dumps({"hook": 3, "events": EVENTS}).encode()
GOOD = signature("secret", NOW, BODY)


def verifier(now: float = NOW, secret: Any = "secret", **options: Any) -> Verifier:
    return Verifier(secret, now=lambda: now, **options)


def test_a_delivery_is_read():
    found = verifier().delivery({"X-TINODE-Signature": GOOD}, BODY)
    assert (found.hook, [event.id for event in found.events]) == (3, [4, 7])
    assert found.events[0].ts.year == 2026
    assert found.events[1].message.content == "ü"


@pytest.mark.parametrize("apart", [-300, -1, 0, 299.9])
def test_clocks_may_differ(apart: float):
    verifier(NOW + apart).verify(GOOD, BODY)


@pytest.mark.parametrize(
    ("now", "secret", "header", "body", "why"),
    [
        (NOW, "other", GOOD, BODY, "does not fit"),
        (NOW, "secret", GOOD, BODY + b" ", "does not fit"),
        (NOW, "secret", GOOD, b"", "does not fit"),
        (NOW, "secret", GOOD.replace(str(NOW), str(NOW + 1)), BODY, "does not fit"),
        (NOW, "secret", GOOD.upper().replace("T=", "t=").replace("V1", "v1"), BODY, "does not fit"),
        (NOW, "secret", GOOD[:-1], BODY, "does not fit"),
        (NOW, "secret", f"t={NOW},v1=žž", BODY, "does not fit"),
        (NOW + 301, "secret", GOOD, BODY, "signed 301 seconds ago"),
        (NOW + 86_400, "secret", GOOD, BODY, "sent again"),
        (NOW - 301, "secret", GOOD, BODY, "301 seconds ahead"),
        (NOW, "secret", "", BODY, "is not t="),
        (NOW, "secret", f"t={NOW}", BODY, "is not t="),
        (NOW, "secret", GOOD.partition(",")[2], BODY, "is not t="),
        (NOW, "secret", f"t=1,{GOOD}", BODY, "is not t="),
        (NOW, "secret", GOOD.replace("v1", "v2"), BODY, "is not t="),
        (NOW, "secret", GOOD.replace(str(NOW), "-1"), BODY, "is not t="),
        (NOW, "secret", GOOD.replace(str(NOW), "٣"), BODY, "is not t="),
        (NOW, "secret", GOOD.replace(str(NOW), "9" * 400), BODY, "is not t="),
        (NOW, "secret", GOOD + ",v1=" * 400, BODY, "too long"),
    ],
)
def test_what_is_refused(now: float, secret: str, header: str, body: bytes, why: str):
    with pytest.raises(BadSignature, match=why):
        verifier(now, secret).verify(header, body)


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_whatever_the_header_says_it_is_refused_in_order(header: str):
    with pytest.raises(BadSignature):
        verifier().verify(header, BODY)


def test_a_header_may_carry_more_signatures():
    verifier().verify(f"{GOOD},v0=x,v1=abc", BODY)
    verifier().verify(GOOD.replace("v1", "v1=00, v1", 1), BODY)


def test_while_the_server_replaces_it_either_secret_fits():
    header = signature("new", NOW, BODY, "secret")
    verifier().verify(header, BODY)
    verifier(secret="new").verify(header, BODY)
    with pytest.raises(BadSignature):
        verifier(secret="older").verify(header, BODY)


def test_a_trial():
    body = b'{"hook":3,"test":true,"events":[]}'
    found = verifier().delivery({"x-tinode-signature": signature("secret", NOW, body)}, body)
    assert (found.test, found.events) == (True, ())
    assert not verifier().delivery({"x-tinode-signature": GOOD}, BODY).test


def test_a_secret_can_be_replaced():
    both = verifier(secret=("new", "secret"))
    both.verify(GOOD, BODY)
    both.verify(signature("new", NOW, BODY), BODY)
    with pytest.raises(BadSignature):
        both.verify(signature("older", NOW, BODY), BODY)


@pytest.mark.parametrize("secret", ["", (), ("secret", "")])
def test_no_secret_verifies_nothing(secret: Any):
    with pytest.raises(ValueError, match="empty secret"):
        verifier(secret=secret)


def test_a_body_that_somebody_has_parsed_is_none():
    with pytest.raises(TypeError, match="bytes as they came"):
        verifier().verify(GOOD, BODY.decode())  # type: ignore[arg-type]


def test_without_a_header():
    with pytest.raises(BadSignature, match="no X-Tinode-Signature"):
        verifier().delivery({"content-type": "application/json"}, BODY)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"hook":1}', b'{"hook":"1","events":[]}', b'{"hook":1,"events":[7]}']
)
def test_what_was_signed_and_is_no_delivery(body: bytes):
    header = signature("secret", NOW, body)
    with pytest.raises(Nonsense, match="no delivery"):
        verifier().delivery({"x-tinode-signature": header}, body)


def test_all_of_these_are_errors_of_one_family():
    assert issubclass(BadSignature, BackendError)
