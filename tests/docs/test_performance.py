"""The report of the benchmarks: its arithmetic, its tables, and the servers that ours is beside.

How fast anything is, is not tested here.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.beside import Beside
from tests.benchmarks.bursts import Peer, recovered_after
from tests.benchmarks.figures import FIGURES, Row, row, tail, together
from tests.benchmarks.goals import GOALS, Goal
from tests.benchmarks.kinds import KINDS
from tests.benchmarks.load import Client, Sockets, close, publication
from tests.benchmarks.people import People, Person
from tests.benchmarks.publishing import sizes
from tests.benchmarks.report import Taken
from tests.benchmarks.setup import naive, raw
from tests.benchmarks.work import Exchange, Figures, Part, Sum, beside
from tests.docs.pages import DOCS

PAGE = DOCS / "performance.md"

GOAL = Goal("few errors", "storms", "some", "errors", at_most=2)


def taken(*rows: Row, elsewhere: float = 0.0) -> Taken:
    return Taken(rows, "2026-01-02", "2 cores", elsewhere)


def test_runs_are_put_side_by_side_and_medians_shown():
    runs = [[row("a", "load-bound", cost=cost), row("b", rate=1.0)] for cost in (30.0, 10.0, 11.0)]
    a, b = together(runs)
    assert (a.value("cost"), a.runs, a.notes) == (11.0, 3, ("load-bound",))
    assert b.figures == {"rate": (1.0, 1.0, 1.0)}


def test_rooms_and_pairs_have_nobody_in_common():
    """Or whoever hears of a message in the one would be told on `me` by the other."""
    everybody = tuple(Person(f"usr{n}", "") for n in range(14))
    couples = ((everybody[0], everybody[1]), (everybody[2], everybody[3]))
    people = People(everybody, "grp", ("grp0", "grp1"), couples)
    assert people.members(0) + people.members(1) == everybody[4:]


def test_a_figure_without_a_column_is_refused():
    with pytest.raises(KeyError, match="speed"):
        row("a", speed=1.0)


def test_shares_are_of_what_they_say():
    ours = Sum((Figures(1000, 2.0, 1.0, 0.2), Figures(1000, 2.0, 1.0, 0.2)))
    limit = Sum((Figures(4000, 2.0, 1.0, 0.2),))
    figures = beside(ours, limit, naive=Sum((Figures(100, 2.0, 2.0, 0.2),)))
    assert (figures["rate_share"], figures["cost_share"]) == (0.25, 0.25)
    assert (figures["cost"], figures["raw_cost"], figures["naive_cost"]) == (1000, 250, 20_000)
    assert (figures["server"], figures["load"]) == (0.5, 0.1)


@pytest.mark.parametrize(
    ("server", "load", "said"),
    [(1.0, 1.8, ("load-bound",)), (1.0, 1.6, ()), (1.95, 1.8, ())],
    ids=["the load is the limit", "neither is", "the server is"],
)
def test_a_load_at_its_limit_is_told(server: float, load: float, said: tuple[str, ...]):
    assert Sum((Figures(10, 2.0, server, load), Figures(10, 2.0, 1.0, 0.1))).notes == said


def test_tails():
    assert tail(map(float, range(1000, 0, -1))) == {
        "p50": 501.0,
        "p99": 991.0,
        "p999": 1000.0,
        "most": 1000.0,
    }
    assert tail([])["p99"] == 0.0


@pytest.mark.parametrize(("errors", "met"), [(2.0, True), (3.0, False)])
def test_a_goal_is_met_or_not(errors: float, met: bool):
    assert GOAL.met({"storms": [row("some", errors=errors)]}) is met
    least = Goal("many", "storms", "some", "errors", at_least=3)
    assert least.met({"storms": [row("some", errors=errors)]}) is not met


def test_a_goal_that_was_not_measured():
    assert GOAL.met({}) is None
    assert GOAL.met({"storms": [row("some", rate=1.0), row("others", errors=1.0)]}) is None


def test_every_goal_is_about_a_kind_and_a_figure_that_exist():
    assert {goal.kind for goal in GOALS} <= set(KINDS)
    assert {goal.figure for goal in GOALS} <= set(FIGURES)
    assert len({goal.text for goal in GOALS}) == len(GOALS)


def test_json_keeps_what_was_taken(tmp_path: Path):
    path = tmp_path / "new" / "figures.json"
    assert report.read(path) == {}
    kept = {"storms": taken(row("some", "load-bound", errors=1.0), elsewhere=0.25)}
    report.write(path, kept)
    assert report.read(path) == kept
    assert list(json.loads(path.read_text("utf-8"))) == ["storms"]


def test_a_table():
    rows = together([[row("a", "odd", rate=1234.0, p99=1.5), row("b", p99=250.0)]] * 3)
    page = "<!-- measured: pairs -->\nold\n<!-- end -->\nkept\n"
    filled = report.filled(page, {"pairs": taken(*rows, elsewhere=0.5)})
    assert filled == (
        "<!-- measured: pairs -->\n"
        "| Work | per second | p99 |\n"
        "|---|---|---|\n"
        "| a; odd | 1,234 | 1.50 ms |\n"
        "| b |  | 250 ms |\n"
        "\n"
        "`pairs`, 2026-01-02: 2 cores; medians of 3 runs; other programs used 50 % of the cores, so"
        " that times are upper bounds.\n"
        "<!-- end -->\nkept\n"
    )
    assert report.filled(filled, {"pairs": taken(*rows, elsewhere=0.5)}) == filled


def test_what_was_never_measured_is_said():
    page = "<!-- measured: pairs -->\n<!-- end -->\n"
    assert report.filled(page, {}) == (
        "<!-- measured: pairs -->\n`pairs`: not measured yet.\n<!-- end -->\n"
    )


def test_the_page_shows_what_the_json_holds():
    page = PAGE.read_text("utf-8")
    assert report.filled(page, report.read(PAGE.with_suffix(".json"))) == page, (
        "python -m tests.benchmarks report"
    )


def test_the_page_has_a_place_for_every_kind():
    assert sorted(report.marks(PAGE.read_text("utf-8"))) == sorted(["goals", *KINDS])


# --- the load ----------------------------------------------------------------------------


def test_a_burst_sends_whole_frames_however_little_is_taken_at_a_time():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        frames = [b"<first>" * 900, b"<second>" * 700]
        peer = Peer(Client(ours), frames, waiting=20)
        came = b""
        while peer.waiting or peer.cut:
            peer.send(7)
            came += theirs.recv(3000)
        ours.close()
        while more := theirs.recv(65_536):
            came += more
    assert came == b"".join(frames) * 10
    assert peer.sent == 20


def test_a_burst_counts_answers_that_come_in_parts():
    peer = Peer(Client(socket.socket()), [])
    text = b'{"ctrl":{"code":202,"ts":""}}{"data":{"content":"@x"}}{"ctrl":{"code":503}}' * 3
    for at in range(len(text)):
        peer.take(text[at : at + 1])
    peer.client.close()
    assert (peer.accepted, peer.refused, peer.delivered) == (3, 3, 3)


def test_a_burst_is_over_when_99_of_100_take_what_they_did_before():
    def recovered(late: int) -> float:
        before = [(n / 50, 5.0) for n in range(100)]
        after = [(2.0 + n / 50, 50.0 if n < late else 5.0) for n in range(200)]
        return recovered_after(Beside([*before, *after]), 2.0, 2.0)

    assert recovered(0) == 0.0
    assert recovered(101) == pytest.approx(2.0, abs=0.1)


# --- the servers that ours is beside -----------------------------------------------------


def exchanged(pid: int, clients: list[Client], ack: int, out: int, rounds: int = 3) -> int:
    """Publications of the first client, each answered and read by the others."""
    frame = publication("grpAAAAAAAAAAA")
    parts = [Part(clients[0], frame, ack), *(Part(each, b"", out) for each in clients[1:])]
    sockets = Sockets(clients)
    times: list[tuple[float, float]] = []
    work = Exchange(parts, sockets, rounds, times)
    units = work(0.0)  # the deadline has passed: only what is sent at first
    close(clients, sockets)
    assert len(times) == units
    return units


def test_the_naive_server_answers_and_sends(tmp_path: Path):
    with naive("durable", tmp_path / "naive.db", 2) as (pid, port):
        clients = [Client.connect(port) for _ in range(2)]
        for client in clients:
            client.upgrade()
        ack, out = sizes(clients[0], clients[1], publication("grpAAAAAAAAAAA"))
        assert exchanged(pid, clients, ack, out) == 3


def test_the_raw_server_answers_and_sends(tmp_path: Path):
    size = len(publication("grpAAAAAAAAAAA"))
    with raw("durable", tmp_path / "raw.db", 2, size, 200, 300) as (pid, port):
        clients = [Client.connect(port) for _ in range(2)]
        assert exchanged(pid, clients, 200, 300) == 3
