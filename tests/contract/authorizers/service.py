#!/usr/bin/python3
"""What auth_http asks in the contract of authorizers. The token says what will be said about whoever
has it; the session `gate` is open to everybody as long as the file GATE is there.

  service.py GATE      says its port on stdout
"""
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SAYINGS = ("allowed", "denied", "undecided", "late", "slow")
DENIED = {"decision": "deny", "reason": "nothing for this one", "ttl": 60}


def authenticate(question):
    if question["purpose"] == "end_user":
        good = question["credential"].startswith("good")
        return {"decision": "allow", "user": "u1"} if good else {"decision": "deny"}
    token = question["token"].split(":")[0]
    if token not in SAYINGS:
        return {"decision": "defer"}
    return {"decision": "allow", "principal": {"id": token, "kind": "operator"}}


def authorize(question):
    says = question["principal"]["id"]
    if question["resource"].get("session") == "gate":
        return {"decision": "allow" if os.path.exists(sys.argv[1]) else "deny", "ttl": 3600}
    if says == "late":
        time.sleep(600)
    if says == "slow":
        time.sleep(0.005)
    if says == "undecided":
        return {"decision": "defer"}
    return {"decision": "allow", "ttl": 60} if says in ("allowed", "slow") else DENIED


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = {"authenticate": authenticate, "authorize": authorize}
        text = json.dumps(answers[question["question"]](question)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # who asked went away


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
