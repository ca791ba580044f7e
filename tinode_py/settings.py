"""The sections of the configuration: every key with its default, unit and meaning.

Here belong names, defaults, bounds and one-sentence descriptions, from which
`docs/configuration.md` is generated. How values are read and checked is in `config`.
A text, list or path that is empty means "none". Secrets never show in a `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import attrs

MAX_NUMBER = 2**53  # beyond it JSON readers lose digits
DEFAULT_API_SALT = "T713/rYYgW7g4m3vG6zGRh7+FM1t0T8j13koXScOAj4="  # public: fits official clients


def key(
    default: Any,
    about: str,
    *,
    unit: str = "",
    low: float = 0,
    high: float = MAX_NUMBER,
    secret: bool = False,
    shown: Callable[[Any], Any] | None = None,
) -> Any:
    """One key. `low` and `high` bound numbers, both inclusive. `shown`: the part of a value that
    is no secret.
    """
    metadata = {"about": about, "unit": unit, "low": low, "high": high, "secret": secret}
    metadata["shown"] = shown or _whole
    how = (lambda value: repr(shown(value))) if shown else not secret
    return attrs.field(default=default, metadata=metadata, repr=how)


def _whole(value: Any) -> Any:
    return value


def without_password(url: str) -> str:
    """A URL with `***` in place of its password, wherever it stands in it."""
    url = re.sub(r"(?<=://)([^/?#@:]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"((?:ssl)?password=)[^&]*", r"\1***", url)


def table(cls: type, about: str) -> Any:
    """A nested table of keys."""
    return attrs.field(factory=cls, metadata={"about": about})


@attrs.frozen
class Limits:
    message_size: int = key(131072, "Largest packet of a client.", unit="bytes", low=1024)
    topic_subscribers: int = key(128, "Members of a group, channel readers not counted.", low=2)
    tags: int = key(16, "Tags of an account or a group; more are cut off.")
    min_tag_length: int = key(2, "Shortest tag.", unit="characters", low=1)
    max_tag_length: int = key(96, "Longest tag.", unit="characters", low=1)
    file_size: int = key(8388608, "Largest upload, the whole request body.", unit="bytes")
    upload_per_day: int = key(
        0,
        "Uploads of one user in a day (UTC), those of an address before it has an account alike;"
        " more are answered 422. 0: no limit.",
        unit="bytes",
    )
    uploads: int = key(64, "Uploads under way at a time; more are answered 503.", low=1)
    upload_time: float = key(
        900.0, "Time for one upload; a slower one is answered 408.", unit="seconds", low=1
    )
    depth: int = key(256, "Nesting of a packet, JSON and CBOR alike.", low=8, high=300)
    inflight: int = key(
        64, "Unanswered requests of a session; at the bound its socket is not read.", low=1
    )
    packets_per_second: int = key(
        2000,
        "Packets taken from a session, one more counted for each 4096 bytes; faster ones are read"
        " later, none is lost. 0: no limit.",
    )
    inbox: int = key(1024, "Requests waiting for one topic; more are answered 503.", low=1)
    batch: int = key(256, "Requests of one topic that share a commit.", low=1)
    outbox: int = key(
        4194304, "Unsent bytes of one session; a slower reader is cut off.", unit="bytes", low=65536
    )
    scheduled: int = key(
        10000, "Messages that one key, or root's token, may have waiting to be sent later.", low=1
    )
    scheduled_bytes: int = key(67108864, "What these may take together.", unit="bytes", low=1024)
    scheduled_days: int = key(
        366, "How far ahead a message to be sent later may lie.", unit="days", low=1, high=36500
    )
    write_timeout: float = key(
        10.0, "A session that takes no byte for so long is cut off.", unit="seconds", low=0.1
    )


@attrs.frozen
class Tags:
    masked: tuple[str, ...] = key(
        (), "Namespaces of tags (`tel`) that nobody may search in; a search is answered 403."
    )
    restricted: tuple[str, ...] = key(
        (), "Namespaces of tags, beside `basic`, `email` and `tel`, that clients may not set."
    )
    unique: tuple[str, ...] = key(
        (), "Namespaces of tags, beside `alias`, of which each tag has one holder only."
    )
    country: str = key(
        "US", "Country of phone numbers where a client's language (`en-US`) names none."
    )


@attrs.frozen
class Messages:
    delete_age: int = key(
        600, "How long an author may delete a message for all; 0: for ever.", unit="seconds"
    )
    p2p_delete: bool = key(True, "Whether both sides of a private chat may delete for all.")
    retention_days: int = key(
        0,
        "How long messages of groups and private chats are kept, unless `tinode-py topic"
        " retention` says otherwise for one; older ones are deleted for all, within the hour."
        " 0: for ever.",
        unit="days",
    )
    edit_age: int = key(0, "How long an author may edit a message; 0: for ever.", unit="seconds")


@attrs.frozen
class Basic:
    min_login: int = key(4, "Shortest login.", unit="characters", low=1, high=32)
    min_password: int = key(6, "Shortest password.", unit="characters", low=1, high=72)
    hash_memory: int = key(19456, "Memory of one argon2id hash.", unit="KiB", low=8)
    hash_passes: int = key(2, "Passes of one argon2id hash.", low=1, high=100)
    threads: int = key(1, "Passwords checked at the same time.", low=1, high=64)
    waiting: int = key(200, "Passwords waiting to be checked; more are answered 503.", low=1)


@attrs.frozen
class Token:
    expire: int = key(1209600, "Life of a token.", unit="seconds", low=1, high=2**31)
    serial: int = key(1, "Another number makes all tokens invalid.", high=65535)


@attrs.frozen
class Code:
    expire: int = key(900, "Life of a code sent to a person.", unit="seconds", low=1)
    max_retries: int = key(3, "Wrong answers before a code is void.", low=1)
    length: int = key(6, "Digits of a code.", low=4, high=12)


@attrs.frozen
class Invite:
    codes: tuple[str, ...] = key(
        (),
        'Codes that open an account where `auth.registration = "invite"`. A client sends one in'
        ' {acc} as `"cred":[{"meth":"invite","resp":"<code>"}]`. A code may be used any number'
        " of times, until it is taken from this list.",
        secret=True,
    )


@attrs.frozen
class Rest:
    url: str = key("", "Address of a service that knows the accounts; empty: off.")
    allow_new_accounts: bool = key(False, "Whether a first login may open an account.")
    use_separate_endpoints: bool = key(
        False, "Whether the name of the endpoint is appended to the address."
    )
    timeout: float = key(4.0, "Time for one request.", unit="seconds", low=0.1)
    tag_namespaces: tuple[str, ...] = key(
        (),
        "Namespaces of tags that only the service writes, beside those that it names itself"
        " when the server starts.",
    )


@attrs.frozen
class Auth:
    registration: Literal["open", "invite", "closed"] = key(
        "open", "Who may make an account: anybody, who holds an invitation, only the operator."
    )
    anonymous: bool = key(True, "Whether accounts without a login may be made.")
    unvalidated_days: int = key(
        0,
        "An account whose owner has not confirmed a required address for so long, and never came"
        " in, is deleted; 0: never.",
        unit="days",
    )
    anonymous_days: int = key(
        0,
        "An account without a login is deleted so long after its last token has ended; 0: never.",
        unit="days",
    )
    logical_names: tuple[str, ...] = key(
        (),
        "Other names for schemes: with `basic:rest` clients that ask for `basic` are served by"
        " `rest`. With `basic:` nobody is served under that name.",
    )
    basic: Basic = table(Basic, "Logins with a password.")
    token: Token = table(Token, "Tokens, with which clients log in again.")
    code: Code = table(Code, "Codes that confirm an address or a change of password.")
    invite: Invite = table(Invite, "Invitations.")
    rest: Rest = table(Rest, "Accounts that a service outside knows (docs/auth.md).")


@attrs.frozen
class Sessions:
    policy: Literal["many", "one", "one_per_platform"] = key(
        "many", "How many live sessions a user may have."
    )
    on_duplicate: Literal["refuse", "kick_older"] = key(
        "kick_older", "What becomes of one too many: it is refused, or ends the older one."
    )


@attrs.frozen
class Users:
    directory: Literal["contacts", "open"] = key(
        "contacts",
        "Whom a user may see online: those he has a conversation with, or everybody"
        " (`/v1/me/people`, `:olu` and `:pu` of `tinode-py chat`).",
    )
    lobby: str = key(
        "",
        "A group (`grp…`) that everyone joins on registration; empty: none. Its members count:"
        " raise `limits.topic_subscribers`. The log says who did not get in, and why.",
    )


@attrs.frozen
class Topics:
    detached_set_delay: float = key(
        10.0,
        "How long others in a topic go on with a member's old mode after he changed it without"
        " being attached, as they do in the reference, there without an end; 0: not at all.",
        unit="seconds",
    )


@attrs.frozen
class Clients:
    publish: bool = key(
        True,
        "Whether clients may publish. If not, {pub} and `/v1/me/messages` are answered 403, but for"
        " root, and messages come from the back end (docs/backend.md).",
    )


@attrs.frozen
class Rooms:
    clients: Literal["none", "join", "create"] = key(
        "none",
        "What clients may do about rooms (`tmp…`) by themselves: nothing, join those in which"
        " somebody is, or make new ones by joining. A back end may always (docs/rooms.md).",
    )
    most: int = key(10000, "Rooms at a time; one more is answered 422.", low=1)
    members: int = key(10000, "Users in one room; one more is answered 422.", low=1)
    per_user: int = key(
        100,
        "Rooms that a user may be in when he joins by himself; one more is answered 422.",
        low=1,
    )
    told: int = key(
        100, "In a room of up to so many users they are told who comes, goes and types."
    )


@attrs.frozen
class IceServer:
    """A server that helps two callers to find each other."""

    urls: tuple[str, ...] = key((), "Addresses, `stun:` or `turn:`.")
    username: str = key("", "Name at a `turn:` server.")
    credential: str = key("", "Password at a `turn:` server.", secret=True)
    credential_type: str = key("", "Kind of `credential`; clients take `password`.")


@attrs.frozen
class Calls:
    timeout: int = key(30, "How long an unanswered call rings.", unit="seconds", low=1, high=3600)
    ice_servers: tuple[IceServer, ...] = key(
        (), "Tables with `urls`, `username`, `credential`, `credential_type`; none: no calls."
    )


@attrs.frozen
class Server:
    listen: tuple[str, ...] = key(
        ("127.0.0.1:6060",), "Addresses: `host:port`, `[v6]:port` or `unix:path`."
    )
    data: str = key("tinode-data", "Folder of the database, uploads and secrets.")
    store: str = key(
        "",
        "`sqlite:///path`, `postgresql://user@host/database`, `memory:`, or the store of another"
        " node: `peer://host:port` (its `cluster.listen`), `peer+unix:/path`; empty: SQLite in the"
        " data folder.",
        shown=without_password,
    )
    drain_seconds: float = key(5.0, "Time for work in flight at the end.", unit="seconds")
    ping_seconds: float = key(
        49.5, "Silence after which a session is pinged.", unit="seconds", low=0.1
    )
    read_timeout: float = key(
        55.0, "Silence after which a session has vanished.", unit="seconds", low=0.1
    )


@attrs.frozen
class Postgres:
    connections: int = key(
        8, "Connections to the database: one writes, the others read.", low=2, high=1000
    )


@attrs.frozen
class Tls:
    cert: str = key("", "File of the certificate chain, PEM; set: the listeners speak TLS.")
    key: str = key("", "File of the private key, PEM.")


@attrs.frozen
class LongPoll:
    poll_seconds: float = key(
        50.0, "A poll that nothing comes for is answered after this.", unit="seconds", low=0.1
    )
    life_seconds: float = key(
        70.0, "A session that nobody asks for is over after this.", unit="seconds", low=1
    )
    sessions: int = key(10000, "Sessions at a time; one more is answered 503. 0: none at all.")
    per_address: int = key(
        1000,
        "Of these, sessions from one address; 0: no bound. Behind a proxy, set"
        " `web.forwarded_for`. Clients of a Unix socket are not counted.",
    )


@attrs.frozen
class Metrics:
    enabled: bool = key(True, "Whether `/metrics` is there.")
    token: str = key(
        "",
        "What `Authorization: Bearer` must carry, from anywhere; empty: only clients on this"
        " machine that no proxy stands before are answered.",
        secret=True,
    )


@attrs.frozen
class Web:
    origins: tuple[str, ...] = key((), "Origins that may open a session; none: any.")
    cors_origins: tuple[str, ...] = key(
        (),
        "Origins whose pages may use files and the API; `*`: any, without cookies"
        " (docs/protocol.md).",
    )
    public_url: str = key(
        "",
        "Where clients reach the server from outside, `https://chat.example`, with a path if a"
        " proxy adds one. Tickets name it, and its pages are the server's own. Empty: what the"
        " request was sent to.",
    )
    forwarded_for: bool = key(
        False, "Whether `X-Forwarded-For` tells the client's address: only behind a proxy."
    )
    api_salt: str = key(
        DEFAULT_API_SALT,
        "Salt that validates API keys, base64; the default fits the official clients. Empty:"
        " only `web.api_keys` are valid.",
    )
    former_api_salt: str = key(
        "", "Salt before `api_salt`, whose keys are valid for a time (`tinode-py key rotate`)."
    )
    former_api_until: int = key(0, "When they are valid no more.", unit="milliseconds since 1970")
    api_keys: tuple[str, ...] = key((), "API keys that are valid whatever the salt says.")
    page: bool = key(True, "Whether `/` is the chat page that comes with the server.")
    admin: bool = key(
        True,
        "Whether `/admin/` is the operators' page; it needs root's login.",
    )
    static: str = key("", "Folder of a web client to serve at `/`, in place of that page.")
    head_size: int = key(16384, "Largest head of a request.", unit="bytes", low=1024)
    head_timeout: float = key(
        10.0, "Time for a request's head and for a handshake.", unit="seconds", low=0.1
    )
    longpoll: LongPoll = table(LongPoll, "Long polling, for clients without websockets.")
    metrics: Metrics = table(Metrics, "Figures for Prometheus (docs/metrics.md).")
    tls: Tls = table(Tls, "TLS on the listeners; the files are read again on SIGHUP.")


@attrs.frozen
class Log:
    level: Literal["debug", "info", "warning", "error"] = key("info", "Least level logged.")
    format: Literal["text", "json"] = key("text", "One line of text, or one JSON object, each.")


@attrs.frozen
class Inbox:
    days: int = key(14, "How long items of a user's inbox are kept.", unit="days", low=1)


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
class Validator:
    required: tuple[Literal["auth", "anon"], ...] = key(
        (), "Levels of accounts that need it; none: the validator is off."
    )
    add_to_tags: bool = key(False, "Whether a confirmed value becomes a tag of the account.")
    debug_code: str = key("", "A code accepted beside the real one: tests only.", secret=True)


@attrs.frozen
class EmailValidator(Validator):
    domains: tuple[str, ...] = key((), "Domains that may register; none: any.")


@attrs.frozen
class TelValidator(Validator):
    webhook: str = key("", "Where codes for phone numbers are posted, to be sent from there.")


@attrs.frozen
class Validators:
    email: EmailValidator = table(EmailValidator, "E-mail addresses.")
    tel: TelValidator = table(TelValidator, "Phone numbers.")


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
