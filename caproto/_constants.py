"""Numbers of the protocol and limits of this library that are not about one message type."""

from __future__ import annotations

import datetime

from ._layout import EPICS_EPOCH_SECONDS, MAX_ENUM_STATES, MAX_ENUM_STRING_SIZE, MAX_STRING_SIZE, MAX_UNITS_SIZE

__all__ = [
    "DEFAULT_PROTOCOL_VERSION",
    "DO_REPLY",
    "EPICS2UNIX_EPOCH",
    "EPICS_CA1_PORT",
    "EPICS_CA2_PORT",
    "EPICS_EPOCH",
    "MAX_COMMAND_BACKLOG",
    "MAX_ENUM_STATES",
    "MAX_ENUM_STRING_SIZE",
    "MAX_ID",
    "MAX_RECORD_LENGTH",
    "MAX_STRING_SIZE",
    "MAX_SUBSCRIPTION_BACKLOG",
    "MAX_TOTAL_SUBSCRIPTION_BACKLOG",
    "MAX_UDP_RECV",
    "MAX_UNITS_SIZE",
    "MIN_SUBSCRIPTION_BACKLOG",
    "NO_REPLY",
    "RESPONSIVENESS_TIMEOUT",
    "SEARCH_MAX_DATAGRAM_BYTES",
    "STALE_SEARCH_EXPIRATION",
    "STR_ENC",
    "SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL",
    "SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS",
]

DEFAULT_PROTOCOL_VERSION = 13  # the minor version we speak; the major one is 4

# Ports follow from the major version: 5056 + 2 * 4 for search and circuits, one more for beacons.
EPICS_CA1_PORT = 5064
EPICS_CA2_PORT = 5065

# The reply flag of a search: servers without the PV answer NOT_FOUND (TCP only), or stay silent.
DO_REPLY = 10
NO_REPLY = 5

EPICS_EPOCH = datetime.datetime(1990, 1, 1, tzinfo=datetime.timezone.utc)
EPICS2UNIX_EPOCH = float(EPICS_EPOCH_SECONDS)  # seconds from the POSIX to the EPICS epoch

MAX_UDP_RECV = 0xFFFF - 16
SEARCH_MAX_DATAGRAM_BYTES = 1472  # what fits into one Ethernet frame
MAX_RECORD_LENGTH = 59
MAX_ID = 65536  # historical: ids are unsigned 32-bit numbers, see ThreadsafeCounter
STR_ENC = "latin-1"  # Channel Access defines no encoding; this one maps every byte to a character

STALE_SEARCH_EXPIRATION = 10.0  # s; how long an answer to a search is believed without asking again
RESPONSIVENESS_TIMEOUT = 5.0  # s; how long a server may take to answer an ECHO

# Bounds of the queues between a server's data and its subscribers.
MAX_COMMAND_BACKLOG = 10000
MAX_SUBSCRIPTION_BACKLOG = 1000
MIN_SUBSCRIPTION_BACKLOG = 10
MAX_TOTAL_SUBSCRIPTION_BACKLOG = 10000
SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS = 15_000_000
SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL = True
