"""Synchronous skin: a client that waits with plain sockets, the repeater, and a reader of captures."""
