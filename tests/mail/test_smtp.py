"""Letters handed to a real mail server on this machine."""

from __future__ import annotations

import socket
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller

from tinode_py.mail.base import Letter
from tinode_py.mail.smtp import Mailer
from tinode_py.settings.services import Smtp

LETTER = Letter("email", "ann@example.com", "123456", "confirm", "de")


class Mailbox:
    """A mail server's handler that keeps what it gets."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.answer = answer
        self.mails: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return self.answer


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def serve():
    """Start a mail server with a handler; its port."""
    started: list[Controller] = []

    def start(mailbox: Mailbox) -> int:
        controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
        controller.start()
        started.append(controller)
        return int(controller.port)

    yield start
    for controller in started:
        controller.stop()


def mailer(port: int) -> Mailer:
    rules = Smtp(
        host="127.0.0.1", port=port, security="none", sender="chat@example.com", service="Chat"
    )
    return Mailer(rules, minutes=15)


async def test_a_mail_arrives_with_its_code(serve):
    mailbox = Mailbox()
    await mailer(serve(mailbox)).bring(LETTER)
    ((recipients, content),) = mailbox.mails
    mail = message_from_bytes(content, policy=default)
    assert recipients == ["ann@example.com"]
    assert mail["From"] == "chat@example.com"
    assert mail["Subject"] == "Ihr Bestätigungscode: 123456"
    assert "123456" in mail.get_content()
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_a_mail_that_is_not_taken_is_an_error(serve):
    with pytest.raises(OSError, match="no such"):
        await mailer(serve(Mailbox("550 no such mailbox"))).bring(LETTER)


async def test_a_server_that_is_not_there_is_an_error():
    with pytest.raises(OSError, match="refused"):
        await mailer(free_port()).bring(LETTER)
