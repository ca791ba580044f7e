"""What is tried again, and when: the rules, without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import pytest

from tinode_py.backend import Nonsense, NotFound, Problem, Send, Unavailable, Unreachable
from tinode_py.backend.call import Call, Got, place, problem
from tinode_py.backend.calls import messages, server, topics, users
from tinode_py.backend.errors import BY_STATUS
from tinode_py.backend.exchange import Gathering, Lost, Terms, Try, Wait, exchange

PROBLEM = "application/problem+json"
TERMS = Terms(chance=lambda: 1.0)
SENT = Got(202, "application/json", b'{"results": [], "scheduled": ""}')


@attrs.define
class Script:
    """A network that does what it is told, and a clock that waiting turns."""

    outcomes: list[Got | Lost]
    tried: list[Call[Any]] = attrs.field(factory=list)
    waits: list[float] = attrs.field(factory=list)

    def run(self, call: Call[Any], terms: Terms = TERMS) -> Any:
        steps = exchange(call, terms, lambda: sum(self.waits))
        told: Got | Lost | None = None
        while True:
            try:
                step = steps.send(told)
            except StopIteration as done:
                return done.value
            if isinstance(step, Wait):
                self.waits.append(step.seconds)
                told = None
            else:
                assert isinstance(step, Try)
                self.tried.append(step.call)
                told = self.outcomes[min(len(self.tried), len(self.outcomes)) - 1]


def sent(call: Call[Any]) -> Any:
    return msgspec.json.decode(call.content() or b"")


def refusal(status: int, detail: str = "no", wait: str = "") -> Got:
    body = msgspec.json.encode({"status": status, "detail": detail, "errors": [], "code": 0})
    return Got(status, PROBLEM, body, wait)


def test_a_message_is_sent_again_under_one_key():
    script = Script([Lost("gone"), Lost("gone"), SENT])
    script.run(messages.send_message("hi", user="ext:1"))
    keys = [sent(call)["idem"] for call in script.tried]
    assert len(keys) == 3
    assert keys[0]
    assert len(set(keys)) == 1
    assert script.waits == [0.25, 0.5]


def test_a_key_of_the_callers_own_is_kept():
    script = Script([SENT])
    script.run(messages.send_message("hi", user="ext:1", idem="mine"))
    assert sent(script.tried[0])["idem"] == "mine"


def test_each_message_of_a_batch_has_a_key_of_its_own():
    many = Got(200, "application/json", b'{"messages": []}')
    script = Script([Lost("gone"), many])
    script.run(messages.send_messages([Send("a", user="ext:1"), Send("b", idem="mine")]))
    first, second = script.tried
    keys = [message["idem"] for message in sent(first)["messages"]]
    assert len(set(keys)) == 2
    assert keys[1] == "mine"
    assert first == second


LATER = "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "call",
    [
        messages.send_message("hi", user="ext:1", at=LATER),  # type: ignore[arg-type]
        messages.send_messages([Send("a", user="ext:1", at=LATER)]),  # type: ignore[arg-type]
        messages.edit_message("grpAAAAAAAAAAE", 1, "other"),
        users.create_user(name="Bob"),
        topics.create_topic("ext:1"),
        messages.broadcast("hello"),
    ],
    ids=lambda call: f"{call.method} {call.path}",
)
def test_what_would_be_done_twice_is_not_asked_again(call):
    script = Script([Lost("gone")])
    with pytest.raises(Unreachable) as failed:
        script.run(call)
    assert failed.value.maybe_done
    assert "it may have been done" in str(failed.value)
    assert len(script.tried) == 1
    with pytest.raises(Unavailable):
        Script([refusal(503)]).run(call)


def test_what_never_left_is_asked_again_whatever_it_is():
    script = Script([Lost("refused", sent=False)])
    with pytest.raises(Unreachable) as failed:
        script.run(users.create_user(name="Bob"))
    assert not failed.value.maybe_done
    assert 25 < sum(script.waits) <= 30
    assert max(script.waits) <= 10


def test_a_key_that_asks_too_often_waits_as_long_as_it_is_told():
    done = Got(200, "application/json", b'{"users": 0, "sessions": 0}')
    script = Script([refusal(429, wait="7"), refusal(429), done])
    script.run(messages.broadcast("hello"))
    assert script.waits == [7.0, 0.5]


def test_a_server_that_is_away_is_asked_later_if_it_does_no_harm():
    script = Script([refusal(503, wait="3"), refusal(502), refusal(504), SENT])
    script.run(messages.send_message("hi", user="ext:1"))
    assert script.waits == [3.0, 0.5, 1.0]


def test_nobody_is_waited_for_beyond_ones_patience():
    script = Script([refusal(503, wait="86400")])
    with pytest.raises(Unavailable) as failed:
        script.run(server.read_server())
    assert failed.value.retry_after == 86400
    assert script.waits == []


def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_was_done():
    script = Script([Lost("gone"), refusal(503)])
    with pytest.raises(Unreachable) as failed:
        script.run(messages.send_message("hi", user="ext:1"))
    assert failed.value.maybe_done
    assert "503 no" in str(failed.value)


@pytest.mark.parametrize("wait", ["-1", "soon", "9" * 400, "1e9", "²", " 5 "])
def test_an_odd_wait_is_none_or_bounded(wait: str):
    assert 0 <= problem(refusal(503, wait=wait)).retry_after <= 86400


def test_a_deletion_that_was_done_before_its_answer_was_lost_is_done():
    script = Script([Lost("gone"), refusal(404)])
    assert script.run(server.revoke_key("x")) is None
    with pytest.raises(NotFound):
        Script([Lost("no route", sent=False), refusal(404)]).run(server.revoke_key("x"))


@pytest.mark.parametrize("status", [*sorted(BY_STATUS), 405, 415, 431, 500, 501])
def test_a_refusal_says_what_was_wrong(status: int):
    error = msgspec.json.encode(
        {"detail": "why", "errors": [{"field": "user", "detail": "odd"}], "code": 7, "new": 1}
    )
    with pytest.raises(BY_STATUS.get(status, Problem)) as failed:
        Script([Got(status, PROBLEM, error)]).run(users.read_user("ext:1"), Terms(patience=0))
    assert (failed.value.status, failed.value.detail, failed.value.code) == (status, "why", 7)
    assert [(it.field, it.detail) for it in failed.value.errors] == [("user", "odd")]
    assert str(failed.value) == f"{status} why"


@pytest.mark.parametrize(
    "got",
    [
        Got(502, "text/html", b"<h1>Bad\n gateway</h1>"),
        Got(502, PROBLEM, b'{"detail": 5}'),
        Got(502, PROBLEM, b"\xff" * 5000),
        Got(502, "", b""),
    ],
)
def test_a_proxys_refusal_is_shown_as_it_is(got: Got):
    found = problem(got)
    assert isinstance(found, Unavailable)
    assert len(found.detail) < 300
    assert "502" in found.detail


NONSENSE = {
    "html": Got(200, "text/html", b"<html>"),
    "no json": Got(200, "application/json", b"{"),
    "deep": Got(200, "application/json", b"[" * 100_000),
    "another shape": Got(200, "application/json", b"[]"),
    "a wrong type": Got(200, "application/json", b'{"results": [{"seq": "1"}]}'),
    "nothing": Got(200, "application/json", b""),
    "redirect": Got(307, "text/html", b""),
    "no utf-8": Got(200, "application/json", b'{"results": ["\xff"]}'),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_what_is_no_answer_is_not_asked_again(kind: str):
    script = Script([NONSENSE[kind]])
    with pytest.raises(Nonsense) as failed:
        script.run(messages.send_message("hi", user="ext:1"))
    assert "POST /v1/messages" in str(failed.value)
    assert len(script.tried) == 1


def test_members_that_a_newer_server_adds_are_passed_over():
    newer = Got(200, "application/json", b'{"seq": 3, "more": {"of": "it"}}')
    assert Script([newer]).run(messages.edit_message("grpAAAAAAAAAAE", 1, 1)).seq == 3


def test_an_answer_is_bounded_and_plain():
    gathering = Gathering(10)
    gathering.take(b"0123456789")
    assert gathering.got(200, {"content-type": "x"}).body == b"0123456789"
    with pytest.raises(Nonsense, match="more than 10 bytes"):
        gathering.take(b"!")
    with pytest.raises(Nonsense, match="gzip"):
        gathering.got(200, {"content-encoding": "gzip"})


# --- requests -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str):
    with pytest.raises(ValueError, match="is no user"):
        users.read_user(name)


def test_names_are_quoted():
    assert users.read_user("ext:a b/ü?#").path == "/v1/users/ext:a%20b%2F%C3%BC%3F%23"
    assert place("/x/{seq}", seq=7) == "/x/7"


def test_only_what_was_given_is_sent():
    assert users.change_user("ext:1", tags=[]).content() == b'{"tags":[]}'
    assert users.list_users(limit=7).parameters() == {"limit": "7"}
    assert users.delete_user("ext:1", hard=True).parameters() == {"hard": "true"}
    call = messages.send_messages([Send({"txt": "x"}, from_="ext:1", users=("ext:2",))])
    assert call.content() == (
        b'{"messages":[{"content":{"txt":"x"},"from":"ext:1","users":["ext:2"]}]}'
    )


BAD: list[tuple[Callable[[], Any], type[Exception]]] = [
    (lambda: messages.send_message(object()).content(), TypeError),
    (lambda: messages.send_message("\ud800").content(), ValueError),
]


@pytest.mark.parametrize(("make", "error"), BAD, ids=["object", "surrogate"])
def test_what_is_no_json_is_refused_here(make, error):
    with pytest.raises(error):
        make()
