"""Several servers as one: the table `cluster`."""

from __future__ import annotations

from typing import Literal

import attrs

from .keys import key, table


@attrs.frozen
class ClusterTls:
    cert: str = key("", "File of this node's certificate chain, PEM.")
    ca: str = key(
        "",
        "File of the authority that signs the certificates of nodes, and nobody else's, PEM."
        " Names in them are not compared.",
    )
    key: str = key("", "File of its private key, PEM.")


@attrs.frozen
class Cluster:
    listen: str = key(
        "",
        "Where other nodes connect, `host:port`, `[v6]:port`, or `unix:path` on one machine; set:"
        " this server is one node of the cluster that shares its store: in PostgreSQL, in its own"
        " SQLite file, which it serves to the others here, or on such a node (`peer://…`)."
        " Empty: it is alone.",
    )
    advertise: str = key(
        "",
        "Address at which other nodes reach this one, `host:port`; empty: that of `listen`.",
    )
    secret: str = key(
        "",
        "What nodes show each other that share an SQLite file, 16 characters at least; empty: it is"
        " in the file `cluster.secret` of the data folder, which the node with the SQLite file"
        " makes.",
        secret=True,
    )
    name: str = key("", "What this node is called in logs and lists; empty: the machine's name.")
    assign: Literal["round_robin", "random", "least_loaded", "user_hash"] = key(
        "round_robin",
        "To which node a ticket of `POST /v1/tickets` leads, among those that have a"
        " `web.public_url` of their own and will not end: each in turn, any, the one with the"
        " fewest sessions, or always the same for one user.",
    )
    lease: float = key(
        5.0,
        "A node that has shown no sign of life for so long is out, and others have its topics."
        " The same in all nodes.",
        unit="seconds",
        low=0.5,
        high=300,
    )
    rebalance: int = key(
        60,
        "How many topics this node may give to others in a minute, because they are used there or"
        " because it has too much to do. 0: none, but when it ends.",
        high=100_000,
    )
    queue: int = key(
        16777216,
        "What may wait for one other node; more breaks the link, which is made anew.",
        unit="bytes",
        low=65536,
    )
    tls: ClusterTls = table(
        ClusterTls,
        "TLS between nodes, both sides with a certificate: all three keys, or none; the files are"
        " read again on SIGHUP. Without it nodes prove to each other that they hold the secret in"
        " the store, and what they say can be read on the way.",
    )
