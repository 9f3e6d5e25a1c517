#!/usr/bin/python3
"""An authorization service for the tests of auth_http. It does what the name of the session in the
question asks for (see BEHAVIOURS). On stdout it says, one JSON object a line: its port, then every
question with the number of its connection.

  service.py PORT [CERT KEY [CLIENT_CA]]      PORT 0: any
"""
import json
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
connections = 0


def say(**what):
    with lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a client that went away is what the tests are about


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def setup(self):
        global connections
        super().setup()
        with lock:
            connections += 1
            self.number = connections

    def answer(self, text, status=200, kind="application/json", headers=()):
        if not isinstance(text, (str, bytes)):
            text = json.dumps(text)
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        say(method="GET", path=self.path)
        self.answer({"decision": "allow"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        question = json.loads(body)
        say(
            path=self.path,
            connection=self.number,
            authorization=self.headers.get("Authorization"),
            type=self.headers.get("Content-Type"),
            question=question,
        )
        if question["question"] == "authenticate":
            self.authenticate(question)
            return
        name = question["resource"].get("session", "allow").split("-")[0]
        BEHAVIOURS.get(name, Handler.allow)(self)

    def authenticate(self, question):
        token = question.get("token", question.get("credential", ""))
        if token.startswith("bad"):
            self.answer({"decision": "deny", "reason": "this is no good token"})
        elif token.startswith("other"):
            self.answer({"decision": "defer"})
        elif token.startswith("hang"):
            self.hang()
        elif question["purpose"] == "end_user":
            self.answer({"decision": "allow", "user": "u9", "claims": {"team": 7}})
        else:
            principal = {
                "id": "backend of node-1",
                "kind": "instance",
                "instance": "node-1",
                "roles": ["game", "chat"],
                "claims": {"zone": "eu"},
                "expires_at": int(time.time() * 1000) + 3600000,
            }
            self.answer({"decision": "allow", "principal": principal})

    # ---- behaviours ----

    def allow(self):
        self.answer({"decision": "allow"})

    def slow(self):
        time.sleep(1)
        self.allow()

    def hang(self):
        time.sleep(600)

    def stall(self):
        """Says how much will come, and sends a part of it."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"decision":')
        self.wfile.flush()
        time.sleep(600)

    def reset(self):
        """A part of the answer, then RST."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"decision":"allow"}')
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def cut(self):
        """Closes in the middle, in good order."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"decision":"allow"}')
        self.close_connection = True

    def flood(self):
        """A gigabyte in chunks; more and more, until the other side has had enough."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunk = b"%x\r\n" % (1 << 20) + b" " * (1 << 20) + b"\r\n"
        for _ in range(1024):
            self.wfile.write(chunk)
        self.wfile.write(b"0\r\n\r\n")

    def announced(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        for _ in range(1024):
            self.wfile.write(b" " * (1 << 20))

    def heads(self):
        """Header lines without end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        for i in range(1 << 20):
            self.wfile.write(b"X-%d: %s\r\n" % (i, b"x" * 1000))

    def large(self):
        """Just larger than allowed, and allowing."""
        self.answer(json.dumps({"decision": "allow"}) + " " * 5000)

    def bomb(self):
        """Compressed, which nobody asked for."""
        import gzip

        body = gzip.compress(b'{"decision":"allow"}')
        self.answer(body, headers=[("Content-Encoding", "gzip")])

    def redirect(self):
        place = "http://127.0.0.1:%d/elsewhere" % self.server.server_port
        self.answer({"decision": "allow"}, 302, headers=[("Location", place)])

    def keep(self):
        """Redirects so that the method stays."""
        place = "http://127.0.0.1:%d/elsewhere" % self.server.server_port
        self.answer({"decision": "allow"}, 307, headers=[("Location", place)])


def fixed(text, **more):
    return lambda handler: handler.answer(text, **more)


BEHAVIOURS = {
    "allow": Handler.allow,
    "cached": fixed({"decision": "allow", "ttl": 3600}),
    "no": fixed({"decision": "deny", "reason": "not for you"}),
    "nocached": fixed({"decision": "deny", "reason": "not for you", "ttl": 3600}),
    "limited": fixed({"decision": "deny", "reason": "slowly", "code": "RATE_LIMITED"}),
    "unknown": fixed({"decision": "deny", "code": "UNAUTHENTICATED", "reason": "who?"}),
    "defer": fixed({"decision": "defer"}),
    "slow": Handler.slow,
    "hang": Handler.hang,
    "stall": Handler.stall,
    "reset": Handler.reset,
    "cut": Handler.cut,
    "flood": Handler.flood,
    "announced": Handler.announced,
    "heads": Handler.heads,
    "large": Handler.large,
    "bomb": Handler.bomb,
    "redirect": Handler.redirect,
    "keep": Handler.keep,
    "broken": fixed('{"decision":"allow"'),
    "trailing": fixed('{"decision":"allow"} x'),
    "twice": fixed('{"decision":"deny","decision":"allow"}'),
    "empty": fixed(""),
    "list": fixed('["allow"]'),
    "strange": fixed({"decision": "maybe"}),
    "typing": fixed({"decision": "allow", "resaon": "x"}),
    "html": fixed('{"decision":"allow"}', kind="text/html"),
    "utf8": fixed(b'{"decision":"allow","reason":"\xff"}'),
    "created": fixed({"decision": "allow"}, status=201),
    "forbidden": fixed({"decision": "allow"}, status=403),
    "fault": fixed({"decision": "allow"}, status=500),
    "quota": fixed({"decision": "allow", "quota": {"connections": 1, "holder": "h1"}}),
}


def main():
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        if len(sys.argv) > 4:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(sys.argv[4])
        # In the thread of the connection: who says nothing must not keep others waiting.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    say(port=server.server_port)
    server.serve_forever()


main()
