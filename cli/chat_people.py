"""Names of people and groups, and who is meant by what somebody types."""

from __future__ import annotations

import attrs

from tinode_py.client import Chat, ClientError, Contact


@attrs.define(eq=False)
class People:
    """What is known of those one talks to; asked for when it is not."""

    chat: Chat
    _names: dict[str, str] = attrs.field(factory=dict)

    async def learn(self) -> list[Contact]:
        """The conversations, with their names as of now."""
        contacts = await self.chat.contacts()
        self._names.update({it.topic: it.name for it in contacts if it.name})
        return contacts

    async def name(self, topic: str) -> str:
        """How people call a user or a group; its id if it has no name."""
        if topic not in self._names:
            try:
                session = await self.chat.session()
                where = "me" if topic == self.chat.user else topic
                desc = (await session.get(where, "desc")).meta.get("desc", {})
                self._names[topic] = (desc.get("public") or {}).get("fn") or topic
            except (ClientError, AttributeError):
                return topic
        return self._names[topic]

    async def topic(self, wanted: str) -> str:
        """The topic that is meant: an id, a name among the conversations, a login."""
        if wanted.startswith(("usr", "grp", "chn")) or wanted in ("slf", "sys"):
            return wanted
        for contact in await self.learn():
            if contact.name.casefold() == wanted.casefold():
                return contact.topic
        return await self._by_login(wanted)

    async def user(self, wanted: str) -> str:
        """As `topic`, for a person. ValueError if it is a group."""
        found = await self.topic(wanted)
        if not found.startswith("usr"):
            raise ValueError(f"{wanted} is not a person")
        return found

    async def _by_login(self, login: str) -> str:
        session = await self.chat.session()
        await session.sub("fnd")
        await session.set("fnd", desc={"public": f"basic:{login.lower()}"})
        for row in (await session.get("fnd", "sub")).meta.get("sub", ()):
            found: str = row.get("topic") or row.get("user")
            return found
        raise ValueError(f"nobody is called {login}")
