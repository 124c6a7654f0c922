"""Evenly spaced requests, whatever the answers do: an open loop.

    even.py PORT PATH RATE SECONDS CONNECTIONS

A request's time begins when it was due, not when it could be sent: a request that had to wait for a connection, or for this program, has waited.
Prints the same line of numbers as load.lua.
"""

import ctypes
import gc
import json
import select
import socket
import sys
import time

TIMEOUT_NS = 5_000_000_000
PR_SET_TIMERSLACK = 29


class Waiting:
    """A connection, and when the request that it carries was due."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due, self.seen = 0, b""

    def fileno(self):
        return self.socket.fileno()

    def answered(self):
        """Whether the whole answer is here; the status, or None while it is not."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        self.seen += piece
        head, end, body = self.seen.partition(b"\r\n\r\n")
        if not end or len(body) < length(head):
            return None
        self.seen = b""
        return int(head[9:12])


def length(head):
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError("no length")


def main(port, path, rate, seconds, connections):
    # The kernel would otherwise wake this program up to 50 us late.
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    free, busy, times, faults = [Waiting(port) for _ in range(connections)], set(), [], 0
    gc.disable()
    step, total = 1_000_000_000 // rate, rate * seconds
    begun = time.monotonic_ns()
    sent = 0
    while sent < total or busy:
        now = time.monotonic_ns()
        while free and sent < total and now >= begun + sent * step:
            one = free.pop()
            one.due = begun + sent * step
            one.socket.send(request)
            busy.add(one)
            sent += 1
        next_due = begun + sent * step
        wait = max(next_due - time.monotonic_ns(), 0) / 1e9 if free and sent < total else 1
        readable, _, _ = select.select(busy, [], [], wait)
        now = time.monotonic_ns()
        for one in readable:
            status = one.answered()
            if status is not None:
                faults += status != 200
                times.append(now - one.due)
                busy.discard(one)
                free.append(one)
        if any(now - one.due > TIMEOUT_NS for one in busy):
            raise ConnectionError("no answer within 5 s")
    report(times, faults, time.monotonic_ns() - begun)


def report(times, faults, duration):
    times.sort()
    at = lambda share: times[min(int(len(times) * share), len(times) - 1)] // 1000  # noqa: E731
    print("RESULT " + json.dumps({
        "requests": len(times), "sent": len(times), "duration_us": duration // 1000, "connect": 0, "read": 0, "write": 0, "timeout": 0,
        "status": faults, "p50_us": at(0.5), "p99_us": at(0.99),
    }))


main(int(sys.argv[1]), sys.argv[2], *(int(argument) for argument in sys.argv[3:]))
