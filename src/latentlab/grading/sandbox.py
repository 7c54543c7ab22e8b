"""The place where students' code runs: bubblewrap where it works, limits of a plain process elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import torch

import latentlab

HERE = Path(__file__).parent
FILES = (HERE / "inside.py", HERE.parent / "course" / "exercises" / "respond.py")
START = 60  # seconds that Python and torch may take to start
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WARNING = """bubblewrap does not work here: students' code runs as a process with limits of time, memory and files only.
Grade strangers' code where bubblewrap is installed (Debian: apt install bubblewrap)."""


@cache
def isolation() -> str:
    """What keeps students' code in: "bubblewrap", with the options it needs here, or "limits only"."""
    for options in ("", " --unshare-user --uid 65534 --gid 65534") if shutil.which("bwrap") else ():
        command = [*bubblewrap(options.split()), sys.executable, "-I", "-S", "-c", "import json"]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return f"bubblewrap{options}"
    return "limits only"


def bubblewrap(options: Sequence[str]) -> list[str]:
    """The command that runs what follows it without network, seeing only Python, read-only, and an empty /tmp."""
    keep = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL"]
    user = keep if os.geteuid() == 0 and not options else ["--unshare-user-try", *options]
    command = [str(shutil.which("bwrap")), "--unshare-ipc", "--unshare-pid", "--unshare-net", *user]
    command += ["--unshare-uts", "--die-with-parent", "--new-session", "--clearenv"]
    small = ["--size", "4096", "--tmpfs"]
    places = [Path("/usr"), Path(sys.prefix), Path(sys.base_prefix)]
    places += [Path(file).resolve().parents[1] for file in (sys.executable, torch.__file__, numpy.__file__)]
    for path in dict.fromkeys(map(str, places)):
        command += ["--ro-bind", path, path]
    for link in ("/lib", "/lib64", "/bin", "/sbin", "/lib32"):
        command += ["--symlink", os.readlink(link), link] if os.path.islink(link) else ["--ro-bind-try", link, link]
    for hidden in {HERE.parents[0], HERE.parents[2]}:  # the course, if it lies in there
        if any(hidden.is_relative_to(p) for p in places) and not any(p.is_relative_to(hidden) for p in places):
            command += [*small, str(hidden)]
    command += [part for file in FILES for part in ("--ro-bind", str(file), f"/grade/{file.name}")]
    command += ["--proc", "/proc", "--dev", "/dev", *small, "/tmp", *small, "/dev/shm"]
    command += [part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]


def run(tasks: Sequence[dict[str, Any]], seconds: float) -> dict[str, dict[str, Any]]:
    """What `inside.py` answers to `tasks`, by id; what is no answer is left out. Never raises for what runs there."""
    user = 60000 + threading.get_native_id() % 5000 if os.geteuid() == 0 else 0  # one for each sandbox at a time
    hidden = sorted({str(Path(latentlab.__file__).parent), str(HERE.resolve().parent)})
    request = {"tasks": list(tasks), "seconds": seconds, "user": user, "hidden": hidden, "home": "/tmp"}
    python, limit = [sys.executable, "-I", "-B"], START + seconds * len(tasks)
    if isolation() != "limits only":
        return converse([*bubblewrap(isolation().split()[1:]), *python, "/grade/inside.py"], request, limit)
    with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as folder:
        for file in FILES:
            shutil.copy(file, folder)
        os.chmod(folder, 0o755)
        return converse([*python, f"{folder}/inside.py"], request | {"home": folder}, limit)


def converse(command: list[str], request: dict[str, Any], seconds: float) -> dict[str, dict[str, Any]]:
    """Send the request, read the answers for at most `seconds`, and leave nothing running."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **streams, env=ENVIRONMENT, cwd="/", start_new_session=True)
    try:
        data = process.communicate(json.dumps(request).encode(), timeout=seconds)[0]
    except subprocess.TimeoutExpired as late:
        data = late.output or b""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    found: dict[str, dict[str, Any]] = {}
    for line in data.split(b"\n"):
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            found.setdefault((answer := json.loads(line))["id"], answer)
    return found
