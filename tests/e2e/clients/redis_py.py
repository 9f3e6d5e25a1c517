"""redis-py, as a backend would use it. Arguments and what is said: see common.mjs."""

import json
import sys
import time

import redis

FIRST, SECOND, TLS = (int(port) for port in sys.argv[1:4])
CA, TOKEN = sys.argv[4:6]


def say(word):
    print(word, flush=True)


def connect(port, **options):
    return redis.Redis(port=port, decode_responses=True, **options)


def ask(client, *words):
    return json.loads(client.execute_command(*words))


def insist(what, attempt):
    """Again and again; two minutes, for sanitizers on a slow machine."""
    deadline = time.monotonic() + 120
    while True:
        try:
            result = attempt()
            if result is not None:
                return result
        except redis.exceptions.ConnectionError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.02)


def joined(messages, connection):
    def attempt():
        message = messages.get_message(timeout=0.1)
        if message is None or message["type"] != "message":
            return None
        event = json.loads(message["data"])
        if event["event"] != "member.joined":
            return None
        return event["member"]["connection"] == connection or None

    insist(f"the event of {connection}", attempt)


client = connect(FIRST)
assert client.ping() is True
assert ask(client, "START", "py", "i1")["state"] == "up"
messages = client.pubsub()
messages.subscribe("session:py-room")
insist("the subscription", lambda: messages.get_message(timeout=0.1))
assert ask(client, "ENTER", "py-room", "c1", "py", "i1")["joined"] is True
joined(messages, "c1")

pipeline = client.pipeline(transaction=False)
for i in range(10000):
    pipeline.execute_command("ISMEMBER", "py-room", "c1" if i % 2 else "none")
replies = pipeline.execute()
assert replies == [i % 2 for i in range(10000)]

assert connect(FIRST, username="app", password=TOKEN).execute_command("ACL", "WHOAMI") == "app"
assert connect(FIRST, password=TOKEN).execute_command("ACL", "WHOAMI") == "app"
try:
    connect(FIRST, password="wrong").ping()
    raise SystemExit("a wrong token was taken")
except redis.exceptions.ResponseError as error:
    assert str(error).startswith("WRONGPASS"), error

say("restart")
# A call on the old socket fails; redis-py makes a new one for the next.
try:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        client.ping()
        time.sleep(0.02)
    raise SystemExit("no restart was noticed")
except redis.exceptions.ConnectionError:
    pass
assert insist("the daemon", lambda: ask(client, "HEARTBEAT", "py", "i1"))["state"] == "up"
# It subscribes anew when it finds its socket closed, and is told so.
insist(
    "the subscription",
    lambda: (messages.get_message(timeout=0.1) or {}).get("type") == "subscribe" or None,
)
assert ask(client, "ENTER", "py-room", "c2", "py", "i1")["joined"] is True
joined(messages, "c2")

say("kill")


def is_gone():
    try:
        client.ping()
        return None
    except redis.exceptions.ConnectionError:
        return True


insist("the end of the daemon", is_gone)
other = connect(SECOND)
assert ask(other, "HEARTBEAT", "py", "i1")["state"] == "up"
assert other.execute_command("ISMEMBER", "py-room", "c1") == 1

secure = connect(TLS, ssl=True, ssl_ca_certs=CA)
assert secure.execute_command("ISMEMBER", "py-room", "c1") == 1
ask(other, "STOP", "py", "i1")
say("done")
