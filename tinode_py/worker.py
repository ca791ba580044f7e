"""One process of several that are one server: what it gets from the one that has started it.

A worker is a node of a cluster whose nodes share a machine, a data folder and their listeners.
All is frozen when it starts; the descriptors are open in it, and nobody else's to close.
"""

from __future__ import annotations

import attrs
import msgspec

from .config import ConfigError, Settings, database, postgres, remote
from .settings.cluster import Cluster


@attrs.frozen
class Worker:
    """Which one it is, and what it was given.

    - `number`: from 1; the one that takes its place when it ends has the same.
    - `count`: how many there are.
    - `folder`: of the sockets between workers, as a path that fits into a socket's address with
      a file's name added. Only the owner of the data can enter it.
    - `fresh`: whether the data folder has just been locked, so that whoever worked there before
      is gone.
    - `line`: descriptor of the stream to the process that started it: one byte from there lets
      it begin, one byte from here says that it serves, the end says that it is to stop.
    - `listen`, `control`: descriptors of the listeners for clients, and of the operator's.
    """

    number: int
    count: int
    folder: str
    line: int
    listen: tuple[int, ...]
    control: tuple[int, ...] = ()
    fresh: bool = False

    @property
    def text(self) -> str:
        """As the argument of a command; `of` reads it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, text: str) -> Worker:
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise ConfigError(
                "--worker", f"is given by --workers, not by people: {error}"
            ) from None

    @property
    def link(self) -> str:
        """Where other workers connect to speak as nodes, if no other machine does."""
        return f"unix:{self.folder}/link-{self.number}"

    def door(self, number: int) -> str:
        """The socket at which worker `number` serves what clients ask of it at another one."""
        return f"{self.folder}/door-{number}"

    def is_past(self, address: str, own: str) -> bool:
        """Whether the node at `address` is known to be dead. Two cannot have one address: who had
        mine, `own`, before me is; and at the beginning so is every worker on this folder.
        """
        return address == own or (self.fresh and address.startswith(f"unix:{self.folder}/"))

    def settings(self, settings: Settings) -> Settings:
        """The settings of this worker: it is a node. With addresses for other machines each one
        has its own port, counted up from that of the first. An SQLite file is the first worker's,
        which serves it to the others.
        """
        is_file = _is_file(settings)
        made = attrs.evolve(settings, cluster=self._cluster(settings.cluster))
        if self.number == 1 or not is_file:
            return made
        owner = attrs.evolve(self, number=1)._cluster(settings.cluster)
        store = _store_at(owner.advertise or owner.listen)
        return attrs.evolve(made, server=attrs.evolve(made.server, store=store))

    def _cluster(self, cluster: Cluster) -> Cluster:
        step = self.number - 1
        listen = _moved("cluster.listen", cluster.listen, step) or self.link
        advertise = _moved("cluster.advertise", cluster.advertise, step)
        return attrs.evolve(cluster, listen=listen, advertise=advertise)


def _is_file(settings: Settings) -> bool:
    """Whether the store is an SQLite file. ConfigError for one that several cannot share."""
    if postgres(settings) is not None or remote(settings) is not None:
        return False
    if database(settings) is None:
        raise ConfigError("--workers", "wants a server.store that several can share: not memory:")
    return True


def _store_at(address: str) -> str:
    """The setting for the store of the node at an address."""
    if address.startswith("unix:"):
        return f"peer+{address}"
    if address.endswith(":0"):
        raise ConfigError("cluster.listen", "wants a port, with --workers on an SQLite file")
    return f"peer://{address}"


def _moved(key: str, address: str, step: int) -> str:
    """The same address with a higher port; port 0 and no address stay."""
    if address.startswith("unix:"):
        raise ConfigError(key, "wants host:port, or nothing, with --workers")
    host, _, port = address.rpartition(":")
    if not address or int(port) == 0:
        return address
    if int(port) + step > 65_535:
        raise ConfigError(key, f"leaves no port for worker {step + 1}")
    return f"{host}:{int(port) + step}"
