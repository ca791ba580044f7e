"""`/metrics` of several workers: whichever is asked answers for all, each with a label `worker`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .neighbours import Neighbours

PATH = "/metrics"


@attrs.frozen(eq=False)
class _Families(Collector):
    families: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        yield from self.families


def near_metrics_route(registry: CollectorRegistry) -> Route:
    """The figures of this worker, for the others."""

    async def answer(request: Request) -> Response:
        return Response(generate_latest(registry))

    return Route(PATH, answer)


async def registry_of_all(own: CollectorRegistry, neighbours: Neighbours) -> CollectorRegistry:
    """The figures of all workers that answer, as of now, by worker."""
    texts = await neighbours.of_all(lambda number: neighbours.figures(number, PATH))
    texts[neighbours.worker.number] = generate_latest(own)
    up = GaugeMetricFamily("tinode_worker_up", "Whether a worker answers.", labels=["worker"])
    for number in range(1, neighbours.worker.count + 1):
        up.add_metric([str(number)], int(number in texts))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families((*merged(sorted(texts.items())), up)))
    return registry


def merged(texts: Iterable[tuple[int, bytes]]) -> tuple[Metric, ...]:
    """Families of several workers, each sample with its worker, as one."""
    found: dict[str, Metric] = {}
    for number, text in texts:
        for family in text_string_to_metric_families(text.decode()):
            name = family.name
            into = found.setdefault(name, Metric(name, family.documentation, family.type))
            for sample in family.samples:
                into.samples.append(
                    sample._replace(labels={**sample.labels, "worker": str(number)})
                )
    return tuple(found.values())
