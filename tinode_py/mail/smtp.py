"""Letters as mail, through the standard library's SMTP client in a thread."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import attrs
import trio

from ..settings.services import Smtp
from .base import Letter
from .letters import render

TIMEOUT = 15.0  # seconds for the whole way to the mail server


@attrs.frozen
class Mailer:
    """Brings codes by mail. `minutes` is how long a code is good."""

    rules: Smtp
    minutes: int

    async def bring(self, letter: Letter) -> None:
        """Hand one mail to the mail server; OSError if it does not take it."""
        message = self._message(letter)
        with trio.move_on_after(TIMEOUT) as timer:
            await trio.to_thread.run_sync(self._send, message, abandon_on_cancel=True)
        if timer.cancelled_caught:
            raise TimeoutError("the mail server did not answer in time")

    def _message(self, letter: Letter) -> EmailMessage:
        values = {
            "code": letter.code,
            "address": letter.address,
            "service": self.rules.service or self.rules.sender,
            "minutes": str(self.minutes),
        }
        subject, text = render(letter.purpose, letter.language, self.rules.templates, values)
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = self.rules.sender
        message["To"] = letter.address
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid()
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    def _send(self, message: EmailMessage) -> None:
        rules = self.rules
        context = ssl.create_default_context()
        if rules.security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                rules.host, rules.port, timeout=TIMEOUT, context=context
            )
        else:
            client = smtplib.SMTP(rules.host, rules.port, timeout=TIMEOUT)
        with client:
            if rules.security == "starttls":
                client.starttls(context=context)
            if rules.login:
                client.login(rules.login, rules.password)
            client.send_message(message)
