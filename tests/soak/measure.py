"""Samples over time, and whether they grow."""
import collections
import csv
import re

MIB = 1 << 20


def slope(times, values):
    """Least squares, per second; 0 of fewer than three samples."""
    count = len(times)
    if count < 3:
        return 0.0
    mean_t, mean_v = sum(times) / count, sum(values) / count
    spread = sum((t - mean_t) ** 2 for t in times)
    return sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values)) / spread


def kind_of(key):
    """`{m}:session:room-1:users` is of the kind `session:*:users`."""
    name = key.split("}:", 1)[-1]
    return re.sub(r"^(session|instance|ghost|held):(.*?)(:(?:candidates|users|connections|leads|alive))?$",
                  lambda m: f"{m[1]}:*{m[3] or ''}", name)


def keys_of(client):
    return {key.decode() for key in client.scan_iter(count=1000)}


def kinds(keys):
    return collections.Counter(kind_of(key) for key in keys)


class Series:
    """Columns of numbers; `bound` of a column is how much it may grow over the time measured."""

    def __init__(self):
        self.times = []
        self.columns = {}
        self.bounds = {}

    def add(self, at, row):
        for name, (value, bound) in row.items():
            self.columns.setdefault(name, [0] * len(self.times)).append(value)
            self.bounds[name] = bound
        self.times.append(at)

    def grown(self, name, since):
        """By how much the fitted line rises from `since` to the end, and from which value on."""
        first = next((i for i, t in enumerate(self.times) if t >= since), 0)
        times, values = self.times[first:], self.columns[name][first:]
        if not values:
            return 0.0, 0.0, 0.0
        return slope(times, values) * (times[-1] - times[0]), values[0], values[-1]

    def verdict(self, since):
        """Rows of the table, and whether every column with a bound kept it."""
        rows, fine = [], True
        for name in self.columns:
            grown, first, last = self.grown(name, since)
            bound = self.bounds[name]
            if isinstance(bound, str):  # a share of the mean
                values = self.columns[name]
                bound = float(bound) * sum(values) / len(values)
            good = bound is None or grown <= bound
            fine = fine and good
            rows.append((name, first, last, grown, bound, good))
        return rows, fine

    def write(self, path):
        with open(path, "w", newline="", encoding="ascii") as file:
            writer = csv.writer(file)
            writer.writerow(["seconds", *self.columns])
            for i, at in enumerate(self.times):
                writer.writerow([f"{at:.1f}", *(column[i] for column in self.columns.values())])
