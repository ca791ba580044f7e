"""`tinode-py serve` as an operator runs it: a real process, real signals, real files."""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from tests.process import (
    PATIENCE,
    Gone,
    Packet,
    ServerProcess,
    Talker,
    command,
    connected,
    environment,
    opened,
    secret,
    serving,
)
from tests.web.parts import upgraded

pytestmark = pytest.mark.slow
CANARIES = ("canary-password", "canary-content", "canary-name", "canary-wrong", "canary-junk")


async def ended(*args: str, stdin: bytes = b"", **environ: str) -> tuple[int, str]:
    """Run a command to its end: exit code, and all it said."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            command(*args),
            stdin=stdin,
            check=False,
            capture_stdout=True,
            capture_stderr=True,
            env=environment(**environ),
        )
    return done.returncode, (done.stdout + done.stderr).decode()


async def test_ready_means_ready(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server, httpx.AsyncClient() as web:
        assert server.url.startswith("http://127.0.0.1:")
        for path in ("/health/live", "/health/ready"):
            assert (await web.get(server.url + path)).status_code == 200


async def test_what_is_kept_is_for_the_owner_only(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server, connected(server.url) as alice:
        await alice.register("alice")
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "data" / "secrets.toml").stat().st_mode & 0o777 == 0o600


async def test_files_are_for_the_owner_only_in_a_folder_that_is_open(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    async with serving(tmp_path / "data") as server, connected(server.url) as alice:
        await alice.register("alice")
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").iterdir()}
        assert {"tinode.db", "secrets.toml", "lock"} <= modes.keys()
        assert not any(modes.values()), modes


async def test_a_second_server_on_the_data_ends_with_2_and_names_the_first(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server:
        code, said = await ended(
            "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")
        )
        assert code == 2
        assert f"in use by process {server.process.pid}" in said


async def test_an_unknown_key_ends_with_2_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[limits]\ntagz = 1\n")
    start = ("serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"))
    for code, said in (
        await ended(*start, "--set", "limits.tagz=1"),
        await ended(*start, TINODE_LIMITS__TAGZ="1"),
        await ended(*start, "--config", str(file)),
    ):
        assert code == 2
        assert "limits.tagz" in said
    assert not (tmp_path / "data").exists()


async def test_a_port_in_use_ends_with_2(tmp_path: Path) -> None:
    async with serving(tmp_path / "one") as server:
        code, said = await ended(
            "serve", "--listen", server.address, "--data", str(tmp_path / "two")
        )
        assert code == 2
        assert server.address in said


async def test_file_then_environment_then_set(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[limits]\nmessage_size = 20001\ntags = 7\n")
    environ = {"TINODE_LIMITS__MESSAGE_SIZE": "20002", "TINODE_PORT": "tcp://not-ours"}
    given = ("--config", str(file))

    async def size(*args: str, **environ: str) -> tuple[int, int]:
        async with (
            serving(tmp_path / "data", *args, environ=environ) as server,
            connected(server.url) as client,
        ):
            params = client.greeting["params"]
            return params["maxMessageSize"], params["maxTagCount"]

    assert await size(*given) == (20001, 7)
    assert await size(*given, **environ) == (20002, 7)
    assert await size(*given, "--set", "limits.message_size=20003", **environ) == (20003, 7)


async def test_a_unix_socket_beside_a_port(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with serving(tmp_path / "data", "--listen", f"unix:{path}") as server:
        assert server.urls[1] == f"unix:{path}"
        async with connected(server.urls[1]) as alice, connected(server.urls[0]) as bobby:
            await alice.register("alice")
            await bobby.register("bobby")
            await bobby.ask(sub={"topic": alice.user})
            await alice.ask(sub={"topic": bobby.user})
            await alice.ask(pub={"topic": bobby.user, "content": "over there"})
            await _until(lambda: any("data" in packet for packet in bobby.heard))
        assert await server.terminate() == 0
        assert not path.exists()


async def test_sigterm_answers_what_was_asked_and_says_goodbye(tmp_path: Path) -> None:
    answers: dict[int, Packet] = {}
    async with serving(tmp_path / "data") as server, connected(server.url) as alice:
        await alice.register("alice")
        group = (await alice.ask(sub={"topic": "new"}))["topic"]
        for number in range(300):
            await alice.send(_keep(answers, number), pub=_message(group, number))
        assert await server.terminate() == 0
        await alice.ended.wait()
        assert alice.socket.closed is not None
        assert alice.socket.closed.code == 1001
        farewell = alice.heard[-1]["ctrl"]
        assert (farewell["code"], farewell["text"]) == (205, "server shutdown")
    assert answers
    assert {answer["code"] for answer in answers.values()} <= {202, 503}
    said = {n: a["params"]["seq"] for n, a in answers.items() if a["code"] == 202}
    async with serving(tmp_path / "data") as server, connected(server.url) as alice:
        await alice.login("alice")
        await alice.ask(sub={"topic": group})
        stored = {m["content"]["number"]: m["seq"] for m in await alice.history(group)}
    assert stored == said


async def test_whoever_floods_does_not_hold_the_drain_up(tmp_path: Path) -> None:
    """New requests are refused with 503 or not read; all that is stored was acknowledged."""
    answers: dict[int, Packet] = {}
    patient = ("--set", "server.drain_seconds=60")
    async with serving(tmp_path / "data", *patient) as server, connected(server.url) as alice:
        await alice.register("alice")
        group = (await alice.ask(sub={"topic": "new"}))["topic"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_flood, alice, group, answers)
            await _until(lambda: len(answers) >= 50)
            began = trio.current_time()
            assert await server.terminate() == 0
            assert trio.current_time() - began < 30  # not broken off
        await alice.ended.wait()
    said = {n for n, answer in answers.items() if answer["code"] == 202}
    async with serving(tmp_path / "data") as server, connected(server.url) as alice:
        await alice.login("alice")
        await alice.ask(sub={"topic": group})
        assert {m["content"]["number"] for m in await alice.history(group)} == said


async def _flood(talker: Talker, group: str, answers: dict[int, Packet]) -> None:
    for number in range(1_000_000):
        if talker.ended.is_set():
            return
        try:
            await talker.send(_keep(answers, number), pub=_message(group, number))
        except Gone:
            return


async def _until(true: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110  another process makes it true
            await trio.sleep(0.002)


def _keep(answers: dict[int, Packet], number: int) -> Callable[[Packet | None], None]:
    def take(answer: Packet | None) -> None:
        if answer is not None:
            answers[number] = answer

    return take


def _message(topic: str, number: int) -> Packet:
    return {"topic": topic, "noecho": True, "content": {"number": number}}


async def test_sigint_stops_as_well(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server:
        server.process.send_signal(signal.SIGINT)
        with trio.fail_after(PATIENCE):
            assert await server.process.wait() == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", "--set", "server.drain_seconds=60") as server:
        stream = await opened(server.url)  # somebody who never answers the goodbye
        reader = await upgraded(stream)
        server.process.send_signal(signal.SIGTERM)
        assert await reader.frame()
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE):
            await server.process.wait()
        await trio.aclose_forcefully(stream)


async def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    first, second = trustme.CA(), trustme.CA()
    _issue(first, tmp_path)
    files = ("cert", "key")
    args = [arg for f in files for arg in ("--set", f"web.tls.{f}={tmp_path / f}.pem")]
    async with serving(tmp_path / "data", *args) as server:
        assert server.url.startswith("https://")
        async with connected(server.url, _trusting(first)) as alice:
            await alice.register("alice")
            _issue(second, tmp_path)
            server.process.send_signal(signal.SIGHUP)
            await server.wait_said("the TLS files were read again")
            async with connected(server.url, _trusting(second)) as again:
                await again.login("alice")
            with pytest.raises(trio.BrokenResourceError):
                await opened(server.url, _trusting(first))
            assert (await alice.ask(sub={"topic": "me"}))["code"] == 200
            await _rubbish_leaves_it_alone(server, tmp_path, second)


async def _rubbish_leaves_it_alone(server: ServerProcess, folder: Path, good: trustme.CA) -> None:
    (folder / "cert.pem").write_text("rubbish")
    server.process.send_signal(signal.SIGHUP)
    await server.wait_said("the TLS files cannot be used")
    async with connected(server.url, _trusting(good)) as alice:
        await alice.login("alice")


def _issue(authority: trustme.CA, folder: Path) -> None:
    cert = authority.issue_cert("localhost")
    cert.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in cert.cert_chain_pems))


def _trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_the_operator_makes_himself_root(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    code, said = await ended(
        "user", "create", "carol", "--password-stdin", *data, stdin=b"secret-of-tests\n"
    )
    assert code == 0, said
    code, said = await ended("user", "root", "carol", *data)
    assert code == 0, said
    async with serving(tmp_path / "data") as server, connected(server.url) as carol:
        assert (await carol.login("carol"))["params"]["authlvl"] == "root"
        await carol.ask(sub={"topic": "sys"})


async def test_logs_are_json_and_hold_no_secret(tmp_path: Path) -> None:
    keys = [secret("alice", "canary-password"), secret("alice", "canary-wrong")]
    args = ("--set", "log.format=json", "--log-level", "debug")
    async with serving(tmp_path / "data", *args) as server:
        async with connected(server.url) as alice:
            await _talk_of_canaries(alice)
            keys += [alice.token]
        assert await server.terminate() == 0
        lines = [line for line in server.said if "listening on" not in line]
    logged = [json.loads(line) for line in lines]
    assert all({"time", "level", "area", "message"} <= line.keys() for line in logged)
    assert any(line.get("user") == alice.user for line in logged)
    key = (tmp_path / "data" / "secrets.toml").read_text().split('"')[1]
    for canary in (*CANARIES, *keys, key):
        assert canary not in "\n".join(lines)


async def _talk_of_canaries(alice: Talker) -> None:
    """Register, fail to log in, publish, and send what cannot be understood."""
    public = {"fn": "canary-name"}
    wrong = {"scheme": "basic", "secret": secret("alice", "canary-wrong")}
    assert (await alice.ask(login=wrong))["code"] == 401
    await alice.register("alice", "canary-password", desc={"public": public})
    group = (await alice.ask(sub={"topic": "new", "set": {"desc": {"public": public}}}))["topic"]
    await alice.ask(pub={"topic": group, "content": "canary-content"})
    await alice.ask(get={"topic": group, "what": "canary-junk"})
    for junk in ('{"canary-junk', '{"pub":{"topic":["canary-junk"]}}', "canary-junk"):
        await alice.socket.send_message(junk)
    await alice.ask(get={"topic": group, "what": "desc"})
