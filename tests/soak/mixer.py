"""What muster-sim does not do, with names that never come again: users, ttl, away and back, secrets,
kicks, promotions, kept sessions, reads, subscriptions, sockets that come and go. What a daemon or Redis
keeps for a name that is gone adds up here."""
import collections
import threading
import time

import redis

INSTANCE = "mixer"
SUBSCRIPTIONS = 40  # held at once, of ever new sessions
EXPECTED = {  # what these operations may run into, since others kick and expire meanwhile
    "UNKNOWN_CONNECTION", "UNKNOWN_SESSION", "NOT_MEMBER", "NOT_ELIGIBLE", "BAD_TOKEN", "UNAVAILABLE",
    "TIMEOUT", "OVERLOADED", "SESSION_FULL", "CONNECTION_TAKEN"}


class Mixer(threading.Thread):
    def __init__(self, door, rate):
        super().__init__(name="mixer", daemon=True)
        self.door = door
        self.rate = rate
        self.going = True
        self.active = threading.Event()
        self.idle = threading.Event()
        self.codes = collections.Counter()
        self.operations = 0
        self.unexpected = []
        self.failure = None
        self.number = 0
        self.incarnation = 0
        self.beat = 0.0
        self.recent = collections.deque()

    # ---- the connection ----

    def connect(self):
        client = redis.Redis(unix_socket_path=self.door, single_connection_client=True,
                             socket_timeout=10)
        client.response_callbacks.clear()  # replies as they come, whatever a command is called
        return client

    def say(self, *words):
        self.operations += 1
        try:
            return self.client.execute_command(*words)
        except redis.ResponseError as error:
            code = str(error).split(" ", 1)[0]
            self.codes[code] += 1
            if code in ("UNKNOWN_INSTANCE", "STALE_INCARNATION"):
                self.start_instance()
            elif code not in EXPECTED and len(self.unexpected) < 20:
                self.unexpected.append(f"{words[0]}: {error}")
            return None

    def start_instance(self):
        self.incarnation += 1
        self.me = (INSTANCE, f"i{self.incarnation}")
        self.client.execute_command("START", *self.me)
        self.beat = time.monotonic()

    # ---- what it does ----

    def turn(self):
        """One connection that comes, and what becomes of those before."""
        self.number += 1
        n = self.number
        name, session = f"m{n}", f"s{n // 3}"
        options = '{"user":"u%d","ttl":3000,"resume":"secret-%d"}' % (n // 2, n)
        self.say("ENTER", session, name, *self.me, options, '{"n":%d,"text":"%s"}' % (n, "x" * 120))
        if n % 2 == 0:
            self.say("JOIN", f"t{n // 5}", name, *self.me)
        if n % 3 == 0:
            self.say("UPDATE", name, *self.me, '{"n":%d}' % -n)
        if n % 4 == 0:
            self.say("DISCONNECT", name, *self.me, "1500")
        self.recent.append(n)
        if len(self.recent) > 12:
            self.leave(self.recent.popleft())
        if n % 10 == 0:
            self.look(session)
        if n % 25 == 0:
            self.keep(f"k{n}")
            self.come_and_go()
        self.subscribe(n)

    def leave(self, n):
        """Some are left to their ttl or their grace."""
        name, session = f"m{n}", f"s{n // 3}"
        if n % 4 == 0 and n % 8 != 0:
            self.say("RESUME", name + "r", *self.me, name, ":".join(self.me), f"secret-{n}",
                     '{"user":"u%d"}' % (n // 2))
            self.say("UNREGISTER", name + "r", *self.me)
        elif n % 5 == 0:
            self.say("LEAVE", session, name, *self.me)
            self.say("UNREGISTER", name, *self.me)
        elif n % 7 == 0:
            self.say("PROMOTE", session, name)
            self.say("KICK", session, name, "soak")
        elif n % 3 == 0:
            self.say("TOUCH", *self.me, name)
        else:
            self.say("UNREGISTER", name, *self.me)

    def look(self, session):
        for words in (("MEMBERS", session), ("USERS", session), ("COUNT", session, "room-1"),
                      ("LEADER", session), ("SESSION", "room-1"), ("SESSIONS", "0", "20"),
                      ("INSTANCE", INSTANCE), ("INSTANCES",), ("STATUS",), ("ISMEMBER", session, "x"),
                      ("INFO",), ("COMMAND", "COUNT")):
            self.say(*words)

    def keep(self, session):
        self.say("CONFIGURE", session, '{"keep":true,"limit":5}', '{"topic":"tea"}')
        self.say("CONFIGURE", session, '{"keep":false}')

    def come_and_go(self):
        other = self.connect()
        other.execute_command("PING")
        other.execute_command("HELLO", "2")
        other.close()
        other.connection_pool.disconnect()

    def subscribe(self, n):
        self.events.subscribe(f"session:s{n // 3}")
        if n % 10 == 0:
            self.events.psubscribe(f"session:s{n}*")
        if n > SUBSCRIPTIONS:
            old = n - SUBSCRIPTIONS
            if old // 3 != (old + 1) // 3:
                self.events.unsubscribe(f"session:s{old // 3}")
            if old % 10 == 0:
                self.events.punsubscribe(f"session:s{old}*")
        while self.events.get_message(timeout=0):
            pass

    # ---- its life ----

    def work(self):
        self.client = self.connect()
        self.watcher = self.connect()
        self.events = self.watcher.pubsub()
        self.start_instance()
        due = time.monotonic()
        while self.going:
            now = time.monotonic()
            if now - self.beat >= 0.4:
                self.beat = now
                self.say("HEARTBEAT", *self.me)
            if not self.active.is_set():
                self.idle.set()
                due = time.monotonic()
                time.sleep(0.1)
                continue
            self.idle.clear()
            if now < due:
                time.sleep(min(due - now, 0.1))
                continue
            due = max(due, now - 1) + 1 / self.rate
            self.turn()
        self.events.close()
        self.client.execute_command("STOP", *self.me)
        for client in (self.client, self.watcher):
            client.close()
            client.connection_pool.disconnect()

    def run(self):
        try:
            self.work()
        except Exception as error:  # whatever it is, the soak must tell
            self.failure = repr(error)
            self.idle.set()
