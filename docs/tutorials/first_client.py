"""A Channel Access client in one file, on the core alone: first_client.py PVNAME."""

import socket
import sys

import caproto

name = sys.argv[1]

# --- search
broadcaster = caproto.Broadcaster(our_role=caproto.CLIENT)
udp_sock = caproto.bcast_socket()
udp_sock.settimeout(5)

datagram = broadcaster.send(
    caproto.VersionRequest(priority=0, version=13),
    caproto.SearchRequest(name=name, cid=0, version=13),
)
for host in caproto.get_client_address_list():
    udp_sock.sendto(datagram, host)

found = None
while found is None:
    commands = broadcaster.recv(*udp_sock.recvfrom(65535))
    broadcaster.process_commands(commands)
    for command in commands:
        if isinstance(command, caproto.SearchResponse):
            found = caproto.extract_address(command)
udp_sock.close()
print("server:", found)

# --- circuit
sock = socket.create_connection(found)
circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=found, priority=0)


def send(*commands):
    sock.sendmsg(circuit.send(*commands))


def receive(wanted):
    """Read until a command of the type `wanted` has come."""
    while True:
        commands = circuit.buffer_updated(sock.recv_into(circuit.get_buffer()))
        for command in commands:
            circuit.process_command(command)
            if isinstance(command, caproto.ErrorResponse):
                raise SystemExit(f"the server says: {command.error_message}")
            if command is caproto.DISCONNECTED:
                raise SystemExit("the server closed the connection")
        for command in commands:
            if isinstance(command, wanted):
                return command


# --- channel
channel = caproto.ClientChannel(name, circuit)
send(
    channel.version(),
    channel.host_name("localhost"),
    channel.client_name("user"),
    channel.create(),
)
created = receive(caproto.CreateChanResponse)
print("type:", created.data_type.name, "count:", created.data_count)

# --- read and write
send(channel.read(data_type=caproto.ChannelType.TIME_DOUBLE))
response = receive(caproto.ReadNotifyResponse)
print("value:", response.data[0], "at", response.metadata.timestamp)

send(channel.write((4.0,), data_type=caproto.ChannelType.DOUBLE, notify=True))
written = receive(caproto.WriteNotifyResponse)
print("write:", written.status.name)

# --- monitor
request = channel.subscribe(data_type=caproto.ChannelType.TIME_DOUBLE)
send(request)
update = receive(caproto.EventAddResponse)
print("update:", update.data[0], "severity", update.metadata.severity)
send(channel.unsubscribe(request.subscriptionid))
receive((caproto.EventAddResponse, caproto.EventCancelResponse))

# --- goodbye
send(channel.clear())
receive(caproto.ClearChannelResponse)
sock.close()
