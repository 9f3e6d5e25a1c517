"""Child processes that never outlive this one: each is killed by its pid at the end, and by the kernel
when we are killed ourselves."""
import ctypes
import json
import os
import re
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def _die_with_parent(parent):
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class Process:
    """A child with its output in files; lines of stdout are read as they come."""

    def __init__(self, name, directory, command):
        self.name = name
        self.out_path = os.path.join(directory, name + ".out")
        self.err_path = os.path.join(directory, name + ".err")
        parent = os.getpid()
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            start = out.tell()
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=lambda: _die_with_parent(parent))
        self.reader = open(self.out_path, "rb")
        self.reader.seek(start)
        self.rest = b""

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def kill(self):
        if self.running():
            self.child.kill()
        self.child.wait()

    def end(self, seconds):
        """SIGTERM, and SIGKILL when that does not help in time. The exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def lines(self):
        """The JSON lines of stdout that have not been read yet."""
        self.rest += self.reader.read()
        *whole, self.rest = self.rest.split(b"\n")
        return [json.loads(line) for line in whole if line.startswith(b"{")]

    def status(self):
        """VmRSS and RssAnon in bytes, and the number of open files."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            text = file.read()
        kilobytes = {name: int(number)
                     for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
        return (kilobytes["VmRSS"] * 1024, kilobytes["RssAnon"] * 1024,
                len(os.listdir(f"/proc/{self.pid}/fd")))


def wait_until(what, seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain for " + what)
        time.sleep(0.05)
