#!/usr/bin/python3
"""Every event that the sources log, with its levels: one a line, "event level[,level]", sorted.

usage: log_events.py SOURCE_DIR

Reads the calls of MU_LOG() in daemon/ and of the host's log() in plugins/ (whose events are
plugin.<name>.<event>). A call whose event is no literal is an error, unless it is in ELSEWHERE.
"""
import os
import re
import sys

# Calls whose event or level is a variable: what it may be.
ELSEWHERE = {
    "daemon/plugin/host.c": {},  # what plugins log, read in plugins/ itself
    "daemon/auth/audit.c": {"auth.allowed": "debug", "auth.denied": "info"},
    "daemon/plugin/faults.c": {
        "plugin." + fault: "warn"
        for fault in ("slow", "foreign_thread", "decided_twice", "decided_late",
                      "decided_not_its_own", "misuse")
    },
    "daemon/plugin/watch.c": {"plugin.blocked": "error"},  # writes by itself, when all hangs
    "daemon/base/log.c": {"log.suppressed": "info,warn,error"},  # as what it stands for
}


def arguments(text, start):
    """The arguments of the call whose parenthesis opens at `start`, at the top level."""
    out, depth, at, begin, quoted = [], 0, start, start + 1, False
    while True:
        char = text[at]
        if quoted:
            if char == "\\":
                at += 1
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                out.append(text[begin:at])
                return out
        elif char == "," and depth == 1:
            out.append(text[begin:at])
            begin = at + 1
        at += 1


def sources(root, folder):
    for base, _, files in sorted(os.walk(os.path.join(root, folder))):
        if "examples" in os.path.relpath(base, root).split(os.sep):
            continue
        for name in sorted(files):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(base, name), root)


def main():
    root = sys.argv[1]
    events, bad = {}, []
    patterns = {
        "daemon": (re.compile(r"\bMU_LOG\("), re.compile(r"MU_LOG_(DEBUG|INFO|WARN|ERROR)"), 1),
        "plugins": (re.compile(r"(?:->log|\blog_line)\("),
                    re.compile(r"MUSTER_LOG_(DEBUG|INFO|WARN|ERROR)"), 1),
    }
    for folder, (call, level, first) in patterns.items():
        for path in sources(root, folder):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
            for match in call.finditer(text):
                line_start = text.rfind("\n", 0, match.start()) + 1
                if text[line_start:match.start()].lstrip().startswith("#define"):
                    continue
                given = arguments(text, match.end() - 1)
                if len(given) < 3:
                    continue
                names = re.findall(r'"([^"]*)"', given[first + 1])
                levels = level.findall(given[first])
                if not names or not levels:
                    if path not in ELSEWHERE:
                        bad.append("%s: %s" % (path, " ".join(" ".join(given[:3]).split())))
                    continue
                for name in names:
                    if folder == "plugins":
                        name = "plugin.%s.%s" % (path.split(os.sep)[1], name)
                    events.setdefault(name, set()).update(word.lower() for word in levels)
    for path, known in ELSEWHERE.items():
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        for name, levels in known.items():
            if name not in text:
                bad.append("%s: has no %s any more" % (path, name))
            events.setdefault(name, set()).update(levels.split(","))
    for text in bad:
        print("no literal event or level: " + text, file=sys.stderr)
    order = ["debug", "info", "warn", "error"]
    for name in sorted(events):
        print(name, ",".join(word for word in order if word in events[name]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
