"""A bot that greets everybody who writes to it, once."""

from tinode_py.client import Chat


async def greet(chat: Chat) -> None:
    """Answer the first message of each person."""
    async for message in chat.messages():
        await chat.publish(message.topic, f"Hello, {message.text}!", idem="greeting")
