"""What tests/e2e/test_metrics.sh asks of texts: what a scrape holds, what the operators' page says.

    check.py documented SCRAPE OPERATIONS.md   every series is explained, and the other way round
    check.py used OPERATIONS.md FILE...        rules and dashboards name only series that are
    check.py sane SCRAPE                       histograms add up
    check.py grown EARLIER LATER               no counter fell
"""

import json
import re
import sys

SERIES = re.compile(r'^([a-zA-Z_][a-zA-Z0-9_]*)(?:\{(.*)\})? (\S+)$')
PARTS = ("_bucket", "_sum", "_count")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def fail(*lines):
    sys.exit("\n".join(lines))


class Scrape:
    """The families of an exposition, and its samples."""

    def __init__(self, path):
        self.kinds, self.labels, self.samples = {}, {}, {}
        for line in read(path).rstrip().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.kinds[name] = kind
                self.labels[name] = set()
            elif not line.startswith("#"):
                self.sample(line)

    def sample(self, line):
        match = SERIES.match(line)
        if not match:
            fail("no series: " + line)
        name, labels, value = match.groups()
        keys = set(re.findall(r'(\w+)="', labels or "")) - {"le"}
        self.labels[self.family(name)] |= keys
        self.samples[name + ("{%s}" % labels if labels else "")] = float(value)

    def family(self, name):
        if name in self.kinds:
            return name
        for part in PARTS:
            if name.endswith(part) and self.kinds.get(name[: -len(part)]) == "histogram":
                return name[: -len(part)]
        return fail("a series without a type: " + name)


def documented(path):
    """name: (kind, labels) of the tables in the section Metrics."""
    section = read(path).split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", section, re.MULTILINE)
    names = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels, text in rows
             if text.strip()}
    if len(names) != len(rows):
        fail("a name stands twice, or without a word, in " + path)
    return names


def check_documented(scrape_path, page):
    scrape, names = Scrape(scrape_path), documented(page)
    wrong = ["not explained: " + name for name in sorted(set(scrape.kinds) - set(names))]
    wrong += ["explained, but not there: " + name for name in sorted(set(names) - set(scrape.kinds))]
    for name in sorted(set(names) & set(scrape.kinds)):
        if names[name] != (scrape.kinds[name], scrape.labels[name]):
            wrong.append(f"{name} is {scrape.kinds[name]} {sorted(scrape.labels[name])}, and "
                         f"explained as {names[name]}")
    if wrong or len(names) < 100:
        fail(*wrong, f"{len(names)} names are explained")


def expressions(path):
    """Every query of a dashboard, or the whole text of the rules."""
    text = read(path)
    if not path.endswith(".json"):
        return [re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)]
    found = []

    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key in ("expr", "query", "definition") and isinstance(value, str):
                found.append(value)
            elif isinstance(value, (dict, list)):
                walk(value)

    walk(json.loads(text))
    return found


def check_used(page, *files):
    names = set(documented(page))
    for name, (kind, _) in documented(page).items():
        if kind == "histogram":
            names |= {name + part for part in PARTS}
    for path in files:
        used = set()
        for text in expressions(path):
            used |= set(re.findall(r"\b(?:muster|process)_[a-z0-9_]+", text))
        if len(used) < 10 or used - names:
            fail(f"{path} uses {len(used)} series, of which there are not: {sorted(used - names)}")


def check_sane(path):
    scrape = Scrape(path)
    below = {}
    for series, value in scrape.samples.items():
        match = re.match(r'(\w+)_bucket\{(.*?),?le="(.*)"\}$', series)
        if not match:
            continue
        name, labels, bound = match.groups()
        key = name + ("{%s}" % labels if labels else "")
        if value < below.get(key, 0):
            fail("falls: " + series)
        below[key] = value
        count = name + "_count" + ("{%s}" % labels if labels else "")
        if bound == "+Inf" and value != scrape.samples[count]:
            fail("does not add up: " + series)
    if not below:
        fail("no histogram")


def check_grown(earlier_path, later_path):
    earlier, later = Scrape(earlier_path), Scrape(later_path)
    for series, value in earlier.samples.items():
        family = earlier.family(series.split("{")[0])
        if earlier.kinds[family] != "gauge" and later.samples.get(series, -1) < value:
            fail(f"{series} fell from {value} to {later.samples.get(series)}")


COMMANDS = {"documented": check_documented, "used": check_used, "sane": check_sane,
            "grown": check_grown}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
