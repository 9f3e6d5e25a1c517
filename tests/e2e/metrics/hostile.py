"""hostile.py HOST:PORT - clients of metrics.listen that do not mean well; it must outlive them."""

import socket
import sys

HOST, PORT = sys.argv[1].rsplit(":", 1)
ROOM = 32  # connections at once
WAIT = 120


def connect():
    peer = socket.create_connection((HOST, int(PORT)), WAIT)
    peer.settimeout(WAIT)
    return peer


def everything(peer):
    """What comes until the end."""
    data = b""
    while True:
        try:
            part = peer.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def answer(request):
    with connect() as peer:
        peer.sendall(request)
        return everything(peer)


def expect(what, condition):
    if not condition:
        sys.exit("not as it should be: " + what)


expect("a header without end", answer(b"GET /metrics HTTP/1.1\r\n" + b"a" * 9000)
       .startswith(b"HTTP/1.1 431 "))
expect("bytes", answer(b"\0" * 100 + b"\r\n\r\n").startswith(b"HTTP/1.1 400 "))
# One answer, and the end: what follows is no second request.
twice = answer(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
expect("two requests at once", twice.count(b"HTTP/1.1 200 OK") == 1)
# In small pieces.
with connect() as peer:
    for byte in b"GET /healthz HTTP/1.0\r\n\r\n":
        peer.sendall(bytes([byte]))
    expect("byte by byte", everything(peer).endswith(b"\r\n\r\nok\n"))
# Gone before the answer.
for _ in range(50):
    with connect() as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
# They say nothing and keep the room; it is there again once they are gone, or too slow.
idle = [connect() for _ in range(2 * ROOM)]
expect("too many at once", any(everything(peer) == b"" for peer in idle[ROOM:]))
for peer in idle:
    peer.close()
