"""The soak: see scripts/soak, which starts it and describes it."""
import argparse
import collections
import json
import os
import shutil
import signal
import sys
import tempfile
import time

import redis

from measure import MIB, Series, kinds, keys_of
from mixer import Mixer
from processes import Process, wait_until

# What may grow over the time measured, by the fitted line. At some 500 operations a second, half an
# hour makes 900,000 of them: 2 MiB are two bytes of each, less than malloc's smallest block (24), so
# any leak that comes with every tenth operation shows. It is more than RSS moves by itself when
# malloc's arenas settle (some 100 KiB seen). The number of keys breathes with the churn (a kill takes
# an instance's along), so a twentieth of the mean; one key left by each new name would be a
# hundredfold.
MEMORY_BOUND = 2 * MIB
REDIS_BOUND = 2 * MIB
KEYS_SHARE = "0.05"
FILES_BOUND = 3

SIMS = (  # id, where, further options
    ("node-1", "redis", ()),
    ("node-2", "a", ()),
    ("node-3", "b", ("--watch-all",)),
    ("node-4", "a", ()),
    ("node-5", "redis", ()),
)
VICTIMS = ("node-4", "node-5")
KEPT = {"{muster}:buried", "{muster}:journal"}  # for a day, and up to a number of entries
PATIENCE = 120  # seconds; ends what would hang, measures nothing


def duration(text):
    for unit, seconds in (("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)):
        if text.endswith(unit) and text[:-len(unit)].isdigit():
            return int(text[:-len(unit)]) * seconds
    raise argparse.ArgumentTypeError(f"'{text}' is no duration such as 90s, 30m or 2h")


class Interrupted(Exception):
    pass


class Soak:
    def __init__(self, options):
        self.options = options
        self.dir = tempfile.mkdtemp(prefix="soak-")
        self.processes = []
        self.sims = {}
        self.entering = set()  # started, and has not said yet that it holds everything
        self.daemons = []
        self.said = collections.Counter()
        self.bad = []  # what must not happen, as sentences
        self.series = Series()
        self.began = time.monotonic()
        self.mixer = None

    # ---- processes ----

    def path(self, name):
        return os.path.join(self.dir, name)

    def program(self, name):
        return os.path.join(self.options.build_dir, name)

    def start(self, name, command):
        process = Process(name, self.dir, command)
        self.processes.append(process)
        return process

    def note(self, text):
        print(f"{time.monotonic() - self.began:7.1f}  {text}", flush=True)

    def start_redis(self):
        self.redis_process = self.start("redis", [
            "redis-server", "--port", "0", "--unixsocket", self.path("redis.sock"), "--dir", self.dir,
            "--save", "", "--appendonly", "no"])
        self.redis = redis.Redis(unix_socket_path=self.path("redis.sock"))

        def answers():
            try:
                return self.redis.ping()
            except redis.ConnectionError:
                return False
        wait_until("redis", PATIENCE, answers)

    def start_daemon(self, name):
        with open(self.path(name + ".yaml"), "w", encoding="ascii") as file:
            file.write(f"namespace: muster\nstate_dir: {self.path(name)}\n"
                       f"redis: {{mode: external, url: 'unix://{self.path('redis.sock')}'}}\n"
                       f"coordinator: {{id: {name}}}\nauthorization: {{default: allow}}\n"
                       "log: {level: info, format: json}\n"
                       "plugins: {load: [{name: transport_resp, config: {listen: "
                       f"['unix://{self.path(name + '.sock')}']}}}}]}}\n")
        settings = [word for setting in self.options.set for word in ("--set", setting)]
        daemon = self.start(name, [self.program("musterd"), "--config", self.path(name + ".yaml"),
                                   *settings])
        wait_until(name, PATIENCE, lambda: os.path.exists(self.path(name + ".sock")))
        self.daemons.append(daemon)

    def start_sim(self, name):
        where, further = next((w, f) for i, w, f in SIMS if i == name)
        doors = {"a": ("a", "b"), "b": ("b", "a")}.get(where)
        place = (["--door", ",".join(f"unix://{self.path(d)}.sock" for d in doors)] if doors
                 else ["--url", "unix://" + self.path("redis.sock")])
        options = self.options
        self.entering.add(name)
        self.sims[name] = self.start(name, [
            self.program("muster-sim"), "instance", "--id", name, *place,
            "--connections", str(options.connections), "--sessions", str(options.connections // 4),
            "--joins", "2", "--users", str(options.connections // 3), "--profile-bytes", "200",
            "--churn", str(options.churn), "--seed", "1", "--report", self.path(name + ".report"),
            *further])

    # ---- what the sims say ----

    def listen(self):
        for sim in self.sims.values():
            for line in sim.lines():
                self.said[sim.name, line["sim"]] += 1
                if line["sim"] == "entered":
                    self.entering.discard(sim.name)
                if line["sim"] in ("anomaly", "error", "taken-over"):
                    self.bad.append(f"{sim.name}: {json.dumps(line)}")
        for process in (*self.daemons, self.redis_process, *self.sims.values()):
            if not process.running():
                raise RuntimeError(f"{process.name} ended by itself")
        if self.mixer and self.mixer.failure:
            raise RuntimeError("the mixer failed: " + self.mixer.failure)

    def await_said(self, names, what, before):
        def all_said():
            self.listen()
            return all(self.said[name, what] > before[name, what] for name in names)
        wait_until(f"{what} of {', '.join(names)}", PATIENCE, all_said)

    # ---- quiet points ----

    def quiet(self):
        """Churn off, everything heard, fsck clean, nobody saw an anomaly; churn on."""
        self.mixer.active.clear()
        if not self.mixer.idle.wait(PATIENCE):
            raise RuntimeError("the mixer does not come to rest")
        before = collections.Counter(self.said)
        for sim in self.sims.values():
            sim.signal(signal.SIGUSR2)
        self.await_said(self.sims, "quiet", before)
        self.fsck()

    def loud(self):
        before = collections.Counter(self.said)
        for sim in self.sims.values():
            sim.signal(signal.SIGUSR2)
        self.await_said(self.sims, "churning", before)
        self.mixer.active.set()

    def fsck(self):
        check = self.start("fsck", [self.program("musterctl"), "--url",
                                    "unix://" + self.path("redis.sock"), "fsck"])
        status = check.child.wait(PATIENCE)
        if status != 0:
            with open(check.out_path, encoding="utf-8") as file:
                self.bad.append(f"fsck: exit status {status}: {file.read()}")
        self.processes.remove(check)

    # ---- measuring ----

    def sample(self):
        row = {}
        for daemon in self.daemons:
            rss, anonymous, files = daemon.status()
            row[f"daemon {daemon.name} rss"] = (rss, MEMORY_BOUND)
            row[f"daemon {daemon.name} anonymous"] = (anonymous, None)
            row[f"daemon {daemon.name} files"] = (files, FILES_BOUND)
        info = self.redis.info("memory")
        # It fills up to its bound, which takes longer than a warm-up.
        journal = self.redis.memory_usage("{muster}:journal", samples=0) or 0
        row["redis journal"] = (journal, None)
        row["redis beside it"] = (info["used_memory"] - journal, REDIS_BOUND)
        row["redis rss"] = (info["used_memory_rss"], None)
        row["redis scripts"] = (info.get("used_memory_vm_total", 0), REDIS_BOUND)
        keys = keys_of(self.redis)
        row["keys"] = (len(keys), KEYS_SHARE)
        for kind, count in sorted(kinds(keys).items()):
            row[f"keys {kind}"] = (count, None)
        for name in self.series.columns:
            row.setdefault(name, (0, self.series.bounds[name]))
        row["mixer operations"] = (self.mixer.operations, None)
        self.series.add(time.monotonic() - self.began, row)

    def log_errors(self):
        errors = collections.Counter()
        for daemon in self.daemons:
            with open(daemon.err_path, encoding="utf-8") as file:
                for line in file:
                    fields = json.loads(line)
                    if fields["level"] in ("warn", "error"):
                        errors[f"{daemon.name} {fields['level']} {fields['event']}"] += 1
        return errors

    # ---- the run ----

    def bring_up(self):
        self.start_redis()
        self.start_daemon("a")
        self.start_daemon("b")
        wait_until("a coordinator", PATIENCE,
                   lambda: json.loads(self.ask("a", "STATUS"))["generation"])
        wait_until("both in the roster", PATIENCE, lambda: self.redis.hlen("{muster}:daemons") == 2)
        self.at_start = keys_of(self.redis)
        self.files_at_start = [daemon.status()[2] for daemon in self.daemons]
        self.mixer = Mixer(self.path("a.sock"), self.options.mixer)
        self.mixer.active.set()
        self.mixer.start()
        for name, _, _ in SIMS:
            self.start_sim(name)
        self.settle()
        self.note("everybody has entered")

    def run(self):
        """Until the time is over: samples, victims, quiet points."""
        options = self.options
        self.began = time.monotonic()
        end = self.began + options.duration
        pause = min(5.0, options.duration / 12)
        next_sample = self.began
        next_kill = self.began + options.kill_every / 2
        next_quiet = self.began + options.duration / 4
        returns = []
        kills = 0
        while (now := time.monotonic()) < end:
            if now >= next_kill:
                victim = VICTIMS[kills % len(VICTIMS)]
                if victim in self.sims:
                    self.sims[victim].kill()
                    self.processes.remove(self.sims.pop(victim))
                    returns.append((now + options.return_after, victim))
                    kills += 1
                next_kill += options.kill_every
            if returns and now >= returns[0][0]:
                self.start_sim(returns.pop(0)[1])
            if now >= next_sample:
                self.sample()
                next_sample = max(next_sample + pause, now)
            if now >= next_quiet and not returns:
                self.settle()
                self.quiet()
                self.note("quiet point: fsck " + ("clean" if not self.bad else "or somebody complains"))
                self.loud()
                next_quiet += options.duration / 4
            self.listen()
            time.sleep(0.2)
        for _, victim in returns:
            self.start_sim(victim)
        self.kills = kills
        self.settle()
        self.sample()

    def settle(self):
        """Everybody has entered since it was started."""
        def entered():
            self.listen()
            return not self.entering
        wait_until("everybody to enter", PATIENCE, entered)

    def wind_down(self):
        """Everything stops; what is left must be what was there before."""
        self.quiet()
        before = collections.Counter(self.said)
        for sim in self.sims.values():
            sim.signal(signal.SIGUSR1)
        self.await_said(self.sims, "reported", before)
        for sim in self.sims.values():
            with open(self.path(sim.name + ".report"), encoding="utf-8") as file:
                report = json.load(file)
            if report["anomaly_count"] or report["errors"] or not report["complete"]:
                self.bad.append(f"{sim.name}: {report['anomaly_count']} anomalies, errors "
                                f"{report['errors']}, complete {report['complete']}")
        self.mixer.going = False
        self.mixer.join(PATIENCE)
        for name in list(self.sims):
            sim = self.sims.pop(name)
            if sim.end(PATIENCE) != 0:
                self.bad.append(f"{name}: did not stop well")
        try:
            wait_until("the keys of the beginning", PATIENCE,
                       lambda: keys_of(self.redis) <= self.at_start | KEPT)
        except RuntimeError:
            self.bad.append("keys that are left: "
                            + ", ".join(sorted(keys_of(self.redis) - self.at_start - KEPT)[:20]))
        for daemon, files in zip(self.daemons, self.files_at_start):
            try:
                wait_until("files", PATIENCE, lambda d=daemon, n=files: d.status()[2] <= n)
            except RuntimeError:
                self.bad.append(f"daemon {daemon.name}: {daemon.status()[2]} open files, {files} before")
        for daemon in self.daemons:
            self.check_metrics(daemon)
        self.fsck()
        self.errors = self.log_errors()
        for daemon in self.daemons:
            if daemon.end(PATIENCE) != 0:
                self.bad.append(f"daemon {daemon.name}: did not end well")

    def ask(self, daemon, command):
        """One command at a door, over a socket of its own."""
        door = redis.Redis(unix_socket_path=self.path(daemon + ".sock"))
        try:
            return door.execute_command(command)
        finally:
            door.connection_pool.disconnect()

    def check_metrics(self, daemon):
        text = self.ask(daemon.name, "METRICS").decode()
        for name, most in (("subscriptions", 0), ("lifelines", 0), ("sockets", 1), ("pending", 1)):
            metric = "muster_plugin_transport_resp_" + name
            value = next((float(line.split()[-1]) for line in text.splitlines()
                          if line.split("{")[0].split(" ")[0] == metric), None)
            if value is None or value > most:
                self.bad.append(f"daemon {daemon.name}: {metric} is {value} at the end")

    # ---- the report ----

    def report(self):
        warm = self.options.duration * 0.1
        rows, fine = self.series.verdict(warm)
        print(f"\n{'':34}{'first':>14}{'last':>14}{'growth':>12}{'bound':>12}   after {warm:.0f} s")
        for name, first, last, grown, bound, good in rows:
            shown = "" if bound is None else f"{bound:.0f}"
            mark = "" if good else "  GROWS"
            print(f"{name:34}{first:>14.0f}{last:>14.0f}{grown:>12.0f}{shown:>12}{mark}")
        print(f"\n{self.kills} instances killed, {self.mixer.operations} operations of the mixer, "
              f"answered with {dict(self.mixer.codes)}")
        print(f"warnings and errors of the daemons: {dict(self.errors)}")
        if self.mixer.unexpected:
            self.bad.append(f"the mixer was told {self.mixer.unexpected}")
        for sentence in self.bad:
            print("BAD:", sentence)
        if self.options.slopes and not fine:
            self.bad.append("something grows")
        print("verdict:", "flat and clean" if not self.bad and self.options.slopes
              else "clean" if not self.bad else "NOT FINE")
        return 1 if self.bad else 0

    def clean_up(self):
        for process in reversed(self.processes):
            process.kill()
        if os.environ.get("MUSTER_TEST_KEEP"):
            print("kept:", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--duration", type=duration, default=1800.0)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--csv")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--churn", type=int, default=80)
    parser.add_argument("--mixer", type=int, default=40)
    parser.add_argument("--kill-every", type=duration, default=25.0)
    parser.add_argument("--return-after", type=duration, default=14.0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--no-slopes", dest="slopes", action="store_false")
    options = parser.parse_args()

    def interrupt(number, _frame):
        raise Interrupted(signal.Signals(number).name)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupt)
    soak = Soak(options)
    try:
        soak.bring_up()
        soak.run()
        soak.wind_down()
        return soak.report()
    except (Interrupted, RuntimeError) as error:
        print("soak:", repr(error), file=sys.stderr)
        for sentence in soak.bad:
            print("BAD:", sentence)
        for process in soak.processes:
            with open(process.err_path, encoding="utf-8", errors="replace") as file:
                print(f"----- {process.name}\n" + "".join(file.readlines()[-10:]), file=sys.stderr)
        return 1
    finally:
        if options.csv and soak.series.times:
            soak.series.write(options.csv)
        soak.clean_up()


if __name__ == "__main__":
    sys.exit(main())
