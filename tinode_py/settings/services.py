"""What works with services outside: events, webhooks, mail, notifications, files."""

from __future__ import annotations

from typing import Literal

import attrs

from .keys import key, table


@attrs.frozen
class Events:
    days: int = key(7, "How long events are kept for the back end.", unit="days", low=1)
    readers: int = key(1000, "Streams read at the same time; more are answered 503.", low=1)
    heartbeat: float = key(
        15.0, "A stream that has nothing to say shows a sign of life.", unit="seconds", low=0.1
    )


@attrs.frozen
class Audit:
    days: int = key(
        365, "How long it is kept what operators and back ends have done.", unit="days", low=1
    )


@attrs.frozen
class BeforeHook:
    url: str = key("", "Address, `http:` or `https:`; empty: nobody is asked.")
    secret: str = key("", "Key of the signature; empty: requests are not signed.", secret=True)
    timeout: float = key(
        1.0, "Time to answer; after it `on_failure` counts.", unit="seconds", low=0.01
    )
    on_failure: Literal["allow", "refuse"] = key(
        "allow", "What becomes of a message where the service is down, late or answers nonsense."
    )
    topics: tuple[Literal["p2p", "grp", "slf", "sys", "tmp"], ...] = key(
        ("p2p", "grp"), "Kinds of topics in which messages are asked about."
    )


@attrs.frozen
class Webhooks:
    networks: tuple[str, ...] = key(
        (),
        "Private networks that webhooks may reach, such as `10.0.0.0/8`; none: public addresses"
        " only.",
    )
    most: int = key(100, "Webhooks that may be made.")
    timeout: float = key(10.0, "Time for one request.", unit="seconds", low=0.1)
    batch: int = key(100, "Events in one request, at most.", low=1, high=1000)
    attempts: int = key(
        10, "Times an event is tried before it is laid aside, with growing pauses.", low=1, high=100
    )
    longest_pause: float = key(
        60.0, "Longest pause between two attempts.", unit="seconds", low=0.1, high=86400
    )
    before: BeforeHook = table(
        BeforeHook, "A service that may refuse or rewrite a message before it is stored."
    )


@attrs.frozen
class Smtp:
    host: str = key("", "Mail server; empty: no mail is sent.")
    port: int = key(587, "Its port.", low=1, high=65535)
    security: Literal["starttls", "tls", "none"] = key("starttls", "How the way is encrypted.")
    login: str = key("", "Name at the mail server.")
    password: str = key("", "Password at the mail server.", secret=True)
    sender: str = key("", "Address that mails come from.")
    service: str = key("", "Name of the service in mails; empty: the sender's address.")
    templates: str = key("", "Folder of texts that go before ours, `confirm.en.txt` and so on.")


@attrs.frozen
class Webhook:
    url: str = key("", "Address, `http:` or `https:`; empty: off.")
    secret: str = key("", "Key of the signature; empty: requests are not signed.", secret=True)


@attrs.frozen
class Gateway:
    url: str = key("https://pushgw.tinode.co", "Address of the gateway.")
    org: str = key("", "Name of the organisation registered there; empty: off.")
    token: str = key("", "The organisation's token.", secret=True)


@attrs.frozen
class Push:
    stdout: bool = key(False, "Whether notifications are written to standard output.")
    queue: int = key(
        4096, "Notifications waiting for one service; more are dropped and counted.", low=1
    )
    attempts: int = key(6, "Times a notification is tried, with growing pauses.", low=1, high=20)
    timeout: float = key(10.0, "Time for one request.", unit="seconds", low=0.1)
    webhook: Webhook = table(Webhook, "Notifications posted to a service of one's own.")
    gateway: Gateway = table(Gateway, "The Tinode push gateway.")


@attrs.frozen
class S3:
    endpoint: str = key(
        "",
        "Address of the service, which clients must be able to reach; empty: files are kept in the"
        " data folder. Needs `pip install 'tinode-py[s3]'`.",
    )
    region: str = key("", "Its region.")
    bucket: str = key("", "Bucket of the uploads.")
    access_key: str = key("", "Name of the access key; empty: as boto3 finds one.")
    secret_key: str = key("", "The access key's secret.", secret=True)


@attrs.frozen
class Media:
    collect_after: int = key(
        3600,
        "How long an upload is kept to which no message and no picture refers; it goes within the"
        " hour after that.",
        unit="seconds",
        low=60,
    )
    reserve: int = key(
        67108864, "Space left free on the disk; beyond it uploads are answered 503.", unit="bytes"
    )
    s3: S3 = table(S3, "Uploads in an S3-compatible service.")
