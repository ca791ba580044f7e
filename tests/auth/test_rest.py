"""The scheme `rest`, with a service of its own on a real port."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
import trio

from tests.push.service import Service, serving
from tinode_py import errors, testing
from tinode_py.access import Level
from tinode_py.auth.base import VALIDATED, Origin
from tinode_py.auth.rest import ERRORS, Rest, new_client, seconds
from tinode_py.client import ClientError
from tinode_py.config import ConfigError
from tinode_py.errors import Refused
from tinode_py.queries import UserById
from tinode_py.settings.accounts import Rest as Rules

USER = "usrAAAAAAAAAAE"
UID = USER[3:]
NOW = 1_000_000
NEW = {
    "rec": {"authlvl": "auth", "tags": ["email:ann@example.com", "Staff"]},
    "newacc": {"auth": "JRWPS", "anon": "N", "public": {"fn": "Ann"}, "private": [1]},
}


def says(service: Service, *answers: object, code: int = 200) -> None:
    service.answers.extend((code, json.dumps(answer).encode()) for answer in answers)


def asked(service: Service) -> list[dict[str, object]]:
    return [json.loads(request.body) for request in service.asked]


@contextlib.asynccontextmanager
async def resting(**rules):
    async with serving() as service:
        chosen = Rules(url=service.url, **rules)
        async with new_client(chosen) as client:
            yield service, Rest(client, chosen)


async def refusal(rest: Rest, secret: bytes = b"s") -> Refused:
    with pytest.raises(Refused) as caught:
        await rest.log_in(secret, Origin(), NOW)
    return caught.value


async def test_who_is_known_is_named_with_level_features_and_an_end():
    async with resting() as (service, rest):
        record = {"uid": UID, "authlvl": "root", "lifetime": "1m30s", "features": 1}
        says(service, {"rec": record})
        identity = await rest.log_in(b"bob:bob123", Origin(), NOW)
    assert (identity.user, identity.level, identity.features) == (USER, Level.ROOT, VALIDATED)
    assert identity.expires == NOW + 90_000
    secret = base64.b64encode(b"bob:bob123").decode()
    assert asked(service) == [{"endpoint": "auth", "secret": secret}]


async def test_each_endpoint_may_have_an_address_of_its_own():
    async with resting(use_separate_endpoints=True) as (service, rest):
        says(service, {"rec": {"uid": UID}})
        await rest.log_in(b"s", Origin(), NOW)
    assert service.asked[0].path == "/auth"


@pytest.mark.parametrize("text", ERRORS)
async def test_errors_have_codes(text):
    async with resting() as (service, rest):
        says(service, {"err": text}, code=403)
        assert (await refusal(rest)).answer is ERRORS[text]


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense", b'{"rec":{"uid":"short"}}', b'{"rec":{"uid":7}}', b'{"err":"of its own"}',
     b'{"rec":{"uid":"AAAAAAAAAAE","authlvl":"king"}}',
     b'{"rec":{"uid":"AAAAAAAAAAE","lifetime":"soon"}}', b" " * (1 << 20) + b"{}"],
)  # fmt: skip
async def test_what_is_no_answer_is_an_error_of_ours(answer):
    async with resting() as (service, rest):
        service.answers.append((200, answer))
        assert (await refusal(rest)).answer is errors.INTERNAL


async def test_a_service_that_is_down_silent_or_ill_is_told_as_such():
    async with resting(timeout=0.05) as (service, rest):
        service.answers.extend([(503, b"<html>"), (0, b"")])
        assert (await refusal(rest)).answer is errors.UNAVAILABLE
        assert (await refusal(rest)).answer is errors.UNAVAILABLE
        listener = await trio.open_tcp_listeners(0, host="127.0.0.1")  # accepts, says nothing
        port = listener[0].socket.getsockname()[1]
        silent = Rules(url=f"http://127.0.0.1:{port}", timeout=0.05)
        async with new_client(silent) as client:
            assert (await refusal(Rest(client, silent))).answer is errors.UNAVAILABLE
        await listener[0].aclose()


async def test_a_challenge_is_passed_on():
    async with resting() as (service, rest):
        says(service, {"rec": {"uid": UID}, "byteval": "9X6m3tWe"})
        no = await refusal(rest)
    assert (no.answer, no.params) == (errors.CHALLENGE, {"challenge": "9X6m3tWe"})


async def test_who_failed_waits_before_the_next_try():
    async with resting() as (service, rest):
        origin = Origin()
        says(service, {"err": "failed"})
        with pytest.raises(Refused):
            await rest.log_in(b"s", origin, NOW)
    assert origin.not_before > trio.current_time()


async def test_logins_are_added_and_changed_by_the_service():
    async with resting() as (service, rest):
        says(service, {"boolval": True}, {"rec": {"uid": UID, "authlvl": "auth"}}, {})
        row = await rest.enroll(USER, b"ann:secret", Origin())
        assert row == await rest.change(USER, b":other", Origin())
    assert [(one["endpoint"], one.get("rec")) for one in asked(service)] == [
        ("checkunique", None),
        ("add", {"uid": UID}),
        ("upd", {"uid": UID}),
    ]


async def test_a_login_that_is_taken_is_refused():
    async with resting() as (service, rest):
        says(service, {"boolval": False})
        with pytest.raises(Refused) as caught:
            await rest.enroll(USER, b"ann:secret", Origin())
    assert caught.value.params == {"what": "auth"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("10000s", 10000), ("1h20m", 4800), ("1.5h", 5400), ("250ms", 0.25), ("2us", 2e-6)],
)
def test_durations(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["10", "s", "1 s", "1x", "-1s", "1s2"])
def test_no_durations(text):
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


# --- with a server -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def server_beside(namespaces=(), more=None, **rules):
    """A server and its authenticator; `more` are other settings of the section `auth`."""
    async with serving() as service:
        says(service, {"strarr": list(namespaces)})
        auth = {"rest": {"url": service.url, **rules}, **(more or {})}
        async with testing.running_server(auth=auth) as server:
            service.asked.clear()
            yield service, server


async def entering(server, scheme="rest"):
    client = await server.open()
    await client.hi()
    secret = base64.b64encode(b"ann").decode()
    return client, await client.request({"login": {"scheme": scheme, "secret": secret}})


async def test_a_first_login_opens_an_account_and_links_it():
    async with server_beside(allow_new_accounts=True) as (service, server):
        says(service, NEW, {})
        _, reply = await entering(server)
        user = reply.params["user"]
        assert (reply.code, reply.params["authlvl"]) == (200, "auth")
        auth, link = asked(service)
        assert link == {**auth, "endpoint": "link", "rec": {"uid": user[3:], "authlvl": "auth"}}
        row = await server.server.store.fetch(UserById(user))
        assert (row.public, row.private) == (b'{"fn": "Ann"}', b"[1]")
        assert row.tags == ("email:ann@example.com", "staff")
        says(service, {"rec": {"uid": user[3:]}})
        _, again = await entering(server)
        assert again.params["user"] == user


async def test_no_account_stays_that_the_service_does_not_link():
    async with server_beside(allow_new_accounts=True) as (service, server):
        says(service, NEW, {"err": "duplicate value"})
        with pytest.raises(ClientError) as caught:
            await entering(server)
        assert caught.value.code == 409
        user = "usr" + str(asked(service)[1]["rec"]["uid"])  # type: ignore[index]
        assert await server.server.store.fetch(UserById(user)) is None


async def test_newcomers_are_turned_away_unless_they_are_wanted():
    async with server_beside() as (service, server):
        says(service, NEW)
        with pytest.raises(ClientError) as caught:
            await entering(server)
        assert caught.value.code == 403
        assert len(service.asked) == 1


async def test_the_service_has_namespaces_of_tags_for_itself():
    async with server_beside(["staff", "no namespace"]) as (_, server):
        await server.user("ann", tags=["free:1"])
        with pytest.raises(ClientError) as caught:
            await server.user("bob", tags=["staff:boss"])
        assert (caught.value.code, caught.value.params) == (403, {"what": "tags"})


async def test_clients_may_know_it_by_another_name():
    names = {"logical_names": ["basic:rest", "anonymous:"]}
    async with server_beside(more=names, allow_new_accounts=True) as (service, server):
        says(service, NEW, {})
        _, reply = await entering(server, "basic")
        assert reply.code == 200
        with pytest.raises(ClientError) as caught:
            await entering(server, "anonymous")
        assert caught.value.text == "unknown authentication scheme"


async def test_a_token_lives_no_longer_than_the_service_said():
    async with server_beside(allow_new_accounts=True) as (service, server):
        now = server.server.entrance.now()
        says(service, {**NEW, "rec": {"lifetime": "1h"}}, {})
        _, reply = await entering(server)
        token = base64.b64decode(reply.params["token"])
        identity = server.server.entrance.tokens.check(token, now)
        assert now < identity.expires <= now + 3_700_000


async def sign_up(server, login="ann"):
    client = await server.open()
    await client.hi()
    secret = base64.b64encode(f"{login}:secret".encode()).decode()
    acc = {"user": "new", "scheme": "rest", "secret": secret, "login": True}
    return client, await client.request({"acc": acc})


async def test_an_account_of_the_service_is_made_and_its_end_is_told():
    async with server_beside() as (service, server):
        says(service, {"boolval": True}, {"rec": {}}, {})
        client, reply = await sign_up(server)
        await client.request({"del": {"what": "user"}})
        with trio.fail_after(30):
            await service.wait_asked(3)
        ended = {"endpoint": "del", "rec": {"uid": reply.params["user"][3:]}}
        assert asked(service)[2] == ended


async def test_a_login_is_taken_back_where_no_account_came_to_be():
    async with server_beside() as (service, server):
        says(service, {"boolval": True}, {"rec": {}}, {"err": "not found"})
        client = await server.open()
        await client.hi()
        acc = {"user": "new", "scheme": "rest", "secret": "YTpi", "tags": ["email:a@b.cd"]}
        with pytest.raises(ClientError):
            await client.request({"acc": acc})
        assert [one["endpoint"] for one in asked(service)] == ["checkunique", "add", "del"]


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/", "http://127.0.0.1:1/"])
async def test_an_address_where_nobody_answers_ends_the_start(url):
    with pytest.raises(ConfigError, match=r"auth\.rest\.url"):
        async with testing.running_server(auth={"rest": {"url": url}}):
            pass
