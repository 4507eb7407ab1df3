"""The data behind the channels of a server: a value with its time stamp, alarm and limits.

These classes hold and check; how they are read, written and published is a server's business.
"""

from __future__ import annotations

from .alarm import ChannelAlarm
from .base import ChannelData
from .enum import ChannelEnum
from .numeric import ChannelDouble, ChannelFloat, ChannelInteger, ChannelNumeric, ChannelShort
from .text import ChannelByte, ChannelChar, ChannelString

__all__ = [
    "ChannelAlarm",
    "ChannelByte",
    "ChannelChar",
    "ChannelData",
    "ChannelDouble",
    "ChannelEnum",
    "ChannelFloat",
    "ChannelInteger",
    "ChannelNumeric",
    "ChannelShort",
    "ChannelString",
]
