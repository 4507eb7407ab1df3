"""Golden vector -> command made with the public constructors, as user code would make it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import caproto
from caproto._headers import ExtendedMessageHeader, MessageHeader
from tests import dbr_table, golden

Fields = dict[str, Any]


def _metadata(data_type: int, dbr: Fields) -> Any:
    """Metadata in the vocabulary of the library, or None."""
    group, kind = dbr_table.family(data_type), dbr_table.native(data_type)
    if group in ("PLAIN", "ACK", "CLASS"):
        return None
    made: Fields = {"status": dbr["status"], "severity": dbr["severity"]}
    if group == "TIME":
        made["secondsSinceEpoch"], made["nanoSeconds"] = dbr["seconds"], dbr["nanoseconds"]
    elif group == "STSACK":
        made["ackt"], made["acks"] = dbr["ackt"], dbr["acks"]
    elif group in ("GR", "CTRL") and kind == 3:
        return {
            **made,
            "enum_strings": [text.encode("latin-1") for text in dbr["strs"][: max(0, dbr["no_str"])]],
        }
    elif group in ("GR", "CTRL") and kind != 0:
        for name, value in dbr.items():
            if name not in ("value", "status", "severity"):
                made[name] = value.encode("latin-1") if name == "units" else golden.number(value)
    structure = caproto.DBR_TYPES[caproto.ChannelType(data_type)]()
    if group == "TIME":
        structure.stamp.secondsSinceEpoch = made.pop("secondsSinceEpoch")
        structure.stamp.nanoSeconds = made.pop("nanoSeconds")
    for name, value in made.items():
        setattr(structure, name, value)
    return structure


def _value(head: Fields) -> Fields:
    """data, data_type, data_count and metadata of a vector with values."""
    data_type, dbr = head["data_type"], head["fields"]["dbr"]
    values = golden.expected_values(head) or []
    if dbr_table.native(data_type) == 0:
        values = [text.encode("latin-1") for text in values]
    return {
        "data": values,
        "data_type": data_type,
        "data_count": head["data_count"],
        "metadata": _metadata(data_type, dbr),
    }


def _original(fields: Fields) -> Any:
    """The header of the offending request."""
    head = fields["original"]
    numbers = [head[name] for name in ("command", "payload_size", "data_type", "data_count")]
    kind = ExtendedMessageHeader if head["header_size"] == 24 else MessageHeader
    return kind(*numbers, head["parameter1"], head["parameter2"])


def _event_response(head: Fields) -> Any:
    fields = head["fields"]
    if "dbr" in fields:
        return caproto.EventAddResponse(
            **_value(head), status=fields["status"], subscriptionid=fields["subscription_id"]
        )
    if head["parameter1"] == 1 and head["data_count"] == 0:
        return caproto.EventAddResponse([], head["data_type"], 0, 1, fields["subscription_id"])
    return caproto.EventCancelResponse(
        head["data_type"], head["parameter1"], fields["subscription_id"], head["data_count"]
    )


def _common(*names: str) -> Callable[[str, Fields], Any]:
    """A constructor of class names[0] from header fields with these names, in this order."""

    def make(_: str, head: Fields) -> Any:
        values = {**head["fields"], **{n: head[n] for n in ("data_type", "data_count")}}
        return getattr(caproto, names[0])(*(values[name] for name in names[1:]))

    return make


def _with_values(name: str, *fields: str) -> Callable[[str, Fields], Any]:
    def make(_: str, head: Fields) -> Any:
        return getattr(caproto, name)(**_value(head), **{field: head["fields"][field] for field in fields})

    return make


def _read_response(_: str, head: Fields) -> Any:
    # The second field of an obsolete READ response is the CID; the constructor calls it sid.
    return caproto.ReadResponse(**_value(head), sid=head["fields"]["cid"], ioid=head["fields"]["ioid"])


BUILDERS: dict[tuple[str, int], Callable[[str, Fields], Any]] = {
    ("client", 0): lambda t, h: caproto.VersionRequest(h["fields"].get("priority", 0), h["data_count"]),
    ("server", 0): lambda t, h: caproto.VersionResponse(h["data_count"]),
    ("client", 1): _common(
        "EventAddRequest", "data_type", "data_count", "sid", "subscription_id", "low", "high", "to", "mask"
    ),
    ("server", 1): lambda t, h: _event_response(h),
    ("client", 2): _common("EventCancelRequest", "data_type", "sid", "subscription_id"),
    ("client", 3): _common("ReadRequest", "data_type", "data_count", "sid", "ioid"),
    ("server", 3): _read_response,
    ("client", 4): _with_values("WriteRequest", "sid", "ioid"),
    ("client", 6): _common("SearchRequest", "name", "cid", "minor_version", "reply_flag"),
    ("server", 6): lambda t, h: caproto.SearchResponse(
        h["fields"]["tcp_port"],
        h["fields"]["server_ip"],
        h["fields"]["cid"],
        h["fields"].get("server_minor_version"),
    ),
    ("client", 8): _common("EventsOffRequest"),
    ("client", 9): _common("EventsOnRequest"),
    ("client", 10): _common("ReadSyncRequest"),
    ("server", 10): _common("ReadSyncRequest"),
    ("server", 11): lambda t, h: caproto.ErrorResponse(
        _original(h["fields"]), h["fields"]["cid"], h["fields"]["status"], h["fields"]["message"]
    ),
    ("client", 12): _common("ClearChannelRequest", "sid", "cid"),
    ("server", 12): _common("ClearChannelResponse", "sid", "cid"),
    ("server", 13): _common("Beacon", "minor_version", "tcp_port", "beacon_id", "server_ip"),
    ("server", 14): _common("NotFoundResponse", "minor_version", "cid"),
    ("client", 15): _common("ReadNotifyRequest", "data_type", "data_count", "sid", "ioid"),
    ("server", 15): _with_values("ReadNotifyResponse", "status", "ioid"),
    ("repeater", 17): _common("RepeaterConfirmResponse", "repeater_address"),
    ("client", 18): _common("CreateChanRequest", "name", "cid", "minor_version"),
    ("server", 18): _common("CreateChanResponse", "native_type", "native_count", "cid", "sid"),
    ("client", 19): _with_values("WriteNotifyRequest", "sid", "ioid"),
    ("server", 19): _common("WriteNotifyResponse", "data_type", "data_count", "status", "ioid"),
    ("client", 20): _common("ClientNameRequest", "name"),
    ("client", 21): _common("HostNameRequest", "name"),
    ("server", 22): _common("AccessRightsResponse", "cid", "access_rights"),
    ("client", 23): _common("EchoRequest"),
    ("server", 23): _common("EchoResponse"),
    ("client", 24): _common("RepeaterRegisterRequest", "client_address"),
    ("server", 26): _common("CreateChFailResponse", "cid"),
}


def direction(role: str) -> str:
    """Role of the peer of which the vector's sender is an instance: a repeater speaks as a server."""
    return "server" if role == "repeater" else role


def build(vector: golden.Vector) -> Any:
    """The command ``vector`` describes, with what its constructor has no parameter for set in its header."""
    head = vector.decoded
    key = (vector.role, head["command"])
    make = BUILDERS.get(key) or BUILDERS[direction(vector.role), head["command"]]
    command = make(vector.transport, head)
    for name in ("data_type", "data_count", "parameter1", "parameter2"):
        if getattr(command.header, name) != head[name]:
            setattr(command.header, name, head[name])
    return command


def components(vector: golden.Vector) -> SimpleNamespace:
    """Header object and payload of ``vector``, with meaningless bytes zeroed."""
    head = vector.decoded
    numbers = [head[n] for n in ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2")]
    kind = ExtendedMessageHeader if head["extended"] else MessageHeader
    return SimpleNamespace(header=kind(*numbers), payload=vector.canonical[head["header_size"] :])
