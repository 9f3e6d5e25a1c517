#!/usr/bin/python3
"""proxy.py LISTEN UPSTREAM MODE: stands between musterctl and a real Redis, both on unix sockets.

MODE is `slow:MS` (the answer to a PING comes so late), `clock:S` (Redis's TIME is so far ahead) or
`version:V` (INFO says that it is of this version, which has as many characters as the real one).
"""
import re
import socket
import sys
import threading
import time

listen, upstream, mode = sys.argv[1:4]
what, value = mode.split(":", 1)


def changed(data):
    if what == "slow":
        if data == b"+PONG\r\n":
            time.sleep(float(value) / 1000)
    elif what == "clock":
        found = re.fullmatch(rb"\*2\r\n\$10\r\n(\d{10})(\r\n\$\d\r\n\d+\r\n)", data)
        if found:
            return b"*2\r\n$10\r\n%d" % (int(found[1]) + int(value)) + found[2]
    elif what == "version":
        return re.sub(rb"redis_version:[0-9.]+", b"redis_version:" + value.encode(), data)
    return data


def pump(source, target, change):
    try:
        while data := source.recv(1 << 20):
            target.sendall(changed(data) if change else data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


server = socket.socket(socket.AF_UNIX)
server.bind(listen)
server.listen(16)
print("ready", flush=True)
while True:
    client, _ = server.accept()
    redis = socket.socket(socket.AF_UNIX)
    redis.connect(upstream)
    threading.Thread(target=pump, args=(client, redis, False), daemon=True).start()
    threading.Thread(target=pump, args=(redis, client, True), daemon=True).start()
