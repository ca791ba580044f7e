"""`/metrics`: figures for Prometheus, gathered when they are asked for.

Nothing is kept here: a registry of this server's own reads what its parts count. Who may ask:
whoever shows the token, or, without one, clients of this machine that no proxy stands before.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Iterator

import attrs
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import errors
from ..live.hub import Hub
from ..live.tally import BOUNDS, Times
from ..settings.serving import Metrics
from ..store.base import Store
from .answers import ctrl_response
from .front import FrontStatistics
from .head import RequestHead
from .neighbours import Neighbours
from .polled import PolledStatistics
from .worker_metrics import registry_of_all

PATH = "/metrics"
_NO_ADDRESS = frozenset({"unix", "memory"})
_BY_PROXIES = ("x-forwarded-for", "forwarded", "via", "x-real-ip")


@attrs.frozen
class Sources:
    """The parts of one server that count."""

    hub: Hub
    store: Store
    front: Callable[[], FrontStatistics]
    polled: Callable[[], PolledStatistics]
    build: str


class _Server(Collector):
    """One server's figures. Costs a look at each loaded topic."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        yield from _sessions(self._sources)
        yield from _topics(self._sources)
        yield from _messages(self._sources)
        yield from _store(self._sources)
        yield from _notifications(self._sources)
        yield from _node(self._sources)
        info = GaugeMetricFamily(
            "tinode_build_info", "Which build runs; always 1.", labels=["build"]
        )
        info.add_metric([self._sources.build], 1)
        yield info


def _sessions(sources: Sources) -> Iterator[Metric]:
    front, polled, hub = sources.front(), sources.polled(), sources.hub.statistics()
    yield _labelled(
        GaugeMetricFamily, "tinode_sessions", "Open sessions, by transport.", "transport",
        {"websocket": front.sockets, "longpoll": polled.sessions},
    )  # fmt: skip
    yield GaugeMetricFamily("tinode_users", "Users with a session.", hub.users)
    yield GaugeMetricFamily("tinode_connections", "Open connections.", front.connections)
    yield GaugeMetricFamily("tinode_polls", "Polls that wait for a packet.", polled.polls)
    yield CounterMetricFamily("tinode_connections_accepted", "Connections.", front.accepted)
    yield CounterMetricFamily(
        "tinode_connections_refused", "Connections ended for a bad head.", front.refused
    )
    yield CounterMetricFamily(
        "tinode_polling_sessions_refused", "Polling sessions beyond a bound.", polled.refused
    )
    yield CounterMetricFamily(
        "tinode_polling_sessions_expired", "Polling sessions nobody asked for.", polled.expired
    )
    yield _labelled(
        CounterMetricFamily, "tinode_slow_sessions", "Sessions cut off for being slow.", "by",
        {"bytes": front.slow_by_bytes, "time": front.slow_by_time, "poll": polled.slow},
    )  # fmt: skip


def _topics(sources: Sources) -> Iterator[Metric]:
    hub = sources.hub.statistics()
    depths = [runner.inbox.waiting for runner in sources.hub.runners()]
    yield GaugeMetricFamily("tinode_topics", "Loaded topics.", hub.topics)
    yield GaugeMetricFamily("tinode_rooms", "Rooms with somebody in them.", hub.rooms)
    yield GaugeMetricFamily("tinode_inbox_waiting", "Requests waiting for topics.", sum(depths))
    yield GaugeMetricFamily(
        "tinode_inbox_deepest", "Requests waiting for the busiest topic.", max(depths, default=0)
    )
    yield CounterMetricFamily(
        "tinode_notices_dropped", "Notices that found a topic's inbox full.", hub.dropped
    )


def _messages(sources: Sources) -> Iterator[Metric]:
    tally = sources.hub.tally
    yield CounterMetricFamily("tinode_publications", "Messages accepted.", tally.publications)
    yield CounterMetricFamily(
        "tinode_deliveries", "Messages sent to sessions as they came.", tally.deliveries
    )
    refusals = {str(code): count for code, count in sorted(tally.refusals.items())}
    yield _labelled(
        CounterMetricFamily, "tinode_refusals", "Answers from 400 on.", "code", refusals
    )
    yield _times(
        "tinode_delivery_seconds", "From taking a batch to its last packet.", tally.delivered
    )


def _store(sources: Sources) -> Iterator[Metric]:
    found = sources.store.statistics()
    yield _times(
        "tinode_commit_seconds", "Until a topic's batch is on disk.", sources.hub.tally.commits
    )
    yield CounterMetricFamily("tinode_store_batches", "Batches written.", found.batches)
    yield CounterMetricFamily("tinode_store_transactions", "Commits.", found.transactions)
    yield CounterMetricFamily("tinode_store_queries", "Queries.", found.queries)


def _notifications(sources: Sources) -> Iterator[Metric]:
    pushing = sources.hub.pushing
    if pushing is None:
        return
    found = pushing.statistics()
    yield GaugeMetricFamily("tinode_push_waiting", "Notifications to be made.", found.waiting)
    yield CounterMetricFamily("tinode_push_dropped", "Notifications dropped.", found.dropped)


def _node(sources: Sources) -> Iterator[Metric]:
    """Of one node of several."""
    others = sources.hub.companions
    if others is None:
        return
    found = others.statistics()
    over = found.traffic
    yield GaugeMetricFamily("tinode_node_members", "Nodes, with this one.", found.members)
    yield GaugeMetricFamily("tinode_node_links", "Nodes that are reached.", found.links)
    yield _labelled(
        GaugeMetricFamily, "tinode_node_topics", "Topics that are its own, or another's.", "kind",
        {"own": found.owned, "proxy": found.proxies},
    )  # fmt: skip
    yield GaugeMetricFamily("tinode_node_jobs", "What it does for all nodes.", found.jobs)
    yield CounterMetricFamily("tinode_node_moved", "Topics given to other nodes.", found.moved)
    yield CounterMetricFamily("tinode_node_kept", "Topics that could not be given.", found.kept)
    yield _labelled(
        CounterMetricFamily, "tinode_node_bytes", "Bytes over links.", "way",
        {"sent": over.sent, "received": over.received},
    )  # fmt: skip
    yield _labelled(
        CounterMetricFamily, "tinode_node_messages", "Messages over links.", "way",
        {"sent": over.messages_sent, "received": over.messages_received},
    )  # fmt: skip
    yield GaugeMetricFamily("tinode_node_waiting_bytes", "Waiting for links.", over.waiting)
    yield CounterMetricFamily("tinode_node_fenced", "Times it was taken for dead.", found.fenced)
    yield GaugeMetricFamily(
        "tinode_node_fenced_time_seconds", "When last, since 1970; 0: never.",
        found.fenced_at / 1000,
    )  # fmt: skip


def _labelled(
    family: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    about: str,
    label: str,
    values: dict[str, int],
) -> Metric:
    made = family(name, about, labels=[label])
    for value, number in values.items():
        made.add_metric([value], number)
    return made


def _times(name: str, about: str, times: Times) -> Metric:
    buckets: list[tuple[str, float]] = []
    count = 0
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), times.counts, strict=True):
        count += number
        buckets.append((bound, count))
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=times.total)


@attrs.frozen
class _Door:
    """Who may ask."""

    settings: Metrics
    registry: CollectorRegistry
    now: Callable[[], int]
    neighbours: Neighbours | None

    async def answer(self, request: Request) -> Response:
        head: RequestHead = request.scope["state"]["head"]
        if self.settings.token:
            if not self._knows_token(head.header("authorization")):
                challenge = {"www-authenticate": "Bearer"}
                return ctrl_response(errors.AUTH_REQUIRED, self.now(), headers=challenge)
        elif not _is_near(head, request.scope["client"][0]):
            return ctrl_response(errors.NOT_FOUND, self.now())
        encoder, kind = choose_encoder(head.header("accept"))
        registry = self.registry
        if self.neighbours is not None:
            registry = await registry_of_all(self.registry, self.neighbours)
        return Response(encoder(registry), headers={"content-type": kind})

    def _knows_token(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        known = hmac.compare_digest(given.strip().encode(), self.settings.token.encode())
        return known and scheme.lower() == "bearer"


def _is_near(head: RequestHead, address: str) -> bool:
    """Whether a client of this machine asks for himself."""
    if any(head.header(name) for name in _BY_PROXIES):
        return False
    if address in _NO_ADDRESS:
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def metrics_registry(sources: Sources) -> CollectorRegistry:
    """The figures of this process."""
    registry = CollectorRegistry()
    registry.register(_Server(sources))
    ProcessCollector(registry=registry)
    return registry


def metrics_routes(
    settings: Metrics,
    registry: CollectorRegistry,
    now: Callable[[], int],
    neighbours: Neighbours | None = None,
) -> Iterable[Route]:
    """The route, if there is to be one; with `neighbours` it answers for all workers."""
    if settings.enabled:
        yield Route(PATH, _Door(settings, registry, now, neighbours).answer)
