"""What calls take and give.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from .audit import AuditPage, Deed
from .events import DeadLetter, DeadLetters, HookList, OneHook, Replayed
from .messages import (
    BroadcastSent,
    DeletedMessages,
    Edited,
    History,
    OneMessage,
    OneScheduled,
    Receiver,
    Revision,
    ScheduledList,
    Send,
    Sent,
    SentMany,
    SentTo,
)
from .rooms import OneRoom, RoomList, RoomSent, RoomUser, RoomUsers
from .server import KeyList, OneKey, ServerLimits, ServerState, Ticket
from .topics import Member, Members, OneTopic, OwnTopic, OwnTopics, TopicList
from .users import (
    ForcedOff,
    FoundRow,
    FoundRows,
    LiveDevice,
    LoginRow,
    LoginRows,
    OneUser,
    OnlineList,
    OnlineUser,
    Profile,
    UserList,
)

__all__ = [
    "AuditPage",
    "BroadcastSent",
    "DeadLetter",
    "DeadLetters",
    "Deed",
    "DeletedMessages",
    "Edited",
    "ForcedOff",
    "FoundRow",
    "FoundRows",
    "History",
    "HookList",
    "KeyList",
    "LiveDevice",
    "LoginRow",
    "LoginRows",
    "Member",
    "Members",
    "OneHook",
    "OneKey",
    "OneMessage",
    "OneRoom",
    "OneScheduled",
    "OneTopic",
    "OneUser",
    "OnlineList",
    "OnlineUser",
    "OwnTopic",
    "OwnTopics",
    "Profile",
    "Receiver",
    "Replayed",
    "Revision",
    "RoomList",
    "RoomSent",
    "RoomUser",
    "RoomUsers",
    "ScheduledList",
    "Send",
    "Sent",
    "SentMany",
    "SentTo",
    "ServerLimits",
    "ServerState",
    "Ticket",
    "TopicList",
    "UserList",
]
