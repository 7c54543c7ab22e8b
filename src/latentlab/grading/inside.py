"""Runs INSIDE the sandbox: students' cells and questions come in, responses go out as JSON, to be judged elsewhere."""

import ast
import ctypes
import importlib.util
import json
import os
import re
import resource
import select
import signal
import struct
import sys
import time
from contextlib import suppress

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from parcel import pack, unpack  # noqa: E402 - the files beside this one; python -I looks nowhere by itself
from respond import respond  # noqa: E402

MEMORY = 1 << 30  # bytes that student code may add to the address space
RESPONSE = 4 << 20  # bytes of one exercise's responses
IMPORTS = {"torch", "numpy", "math", "cmath", "random", "itertools", "functools", "collections", "typing", "dataclasses", "scipy"}
# Audit events that end an answer: a clear word, and the last defence where neither bubblewrap nor Landlock works.
FORBIDDEN = ("socket.", "subprocess.", "ctypes.", "shutil.", "ftplib.", "urllib.", "sqlite3.", "signal.pthread_kill", "os.fork")
FORBIDDEN += ("os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "os.ch", "os.link", "os.symlink", "os.unlink")
FORBIDDEN += ("os.remove", "os.rename", "os.mk", "os.rmdir", "os.truncate", "os.utime", "os.setxattr", "os.removexattr")
NEW_NETWORK, NEW_USER, PARENT_DEATH, DUMPABLE, NO_NEW_PRIVILEGES = 0x40000000, 0x10000000, 1, 4, 38  # of unshare and prctl
RULESET, RULE, RESTRICT = 444, 445, 446  # system calls of Landlock, Linux 5.13 and later
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def main():
    """Answer the request on standard input: every exercise in a process of its own, one line of JSON for each."""
    out = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    request = json.load(sys.stdin)
    if LIBC:
        LIBC.prctl(PARENT_DEATH, signal.SIGKILL)
        LIBC.unshare(NEW_NETWORK | (NEW_USER if os.getuid() else 0))  # no network for anything below; not everywhere allowed
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    torch.set_num_threads(1)
    for task in request["tasks"]:
        out.write(json.dumps({**supervised(task, request), "id": task["id"]}) + "\n")
        out.flush()


def supervised(task, request):
    """What a child process finds out about one task, or why it found nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        attempt(task, request, write)
    os.close(write)
    deadline, parts, size = time.monotonic() + request["seconds"], [], 0
    while (left := deadline - time.monotonic()) > 0 and size <= RESPONSE:
        if select.select([read], [], [], left)[0]:
            part = os.read(read, 1 << 20)
            if not part:
                break
            parts, size = [*parts, part], size + len(part)
    os.close(read)
    os.kill(child, signal.SIGKILL)
    _, status, _ = os.wait4(child, 0)
    if size > RESPONSE:
        return {"error": "It returns more than 4 MB."}
    code = os.waitstatus_to_exitcode(status)
    if left <= 0 or code == -signal.SIGXCPU:
        return {"error": f"It takes longer than {request['seconds']:g} seconds."}
    try:
        return dict(json.loads(b"".join(parts)))
    except (ValueError, TypeError, RecursionError):
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return {"error": f"It ends the process ({how}) without a result."}


def attempt(task, request, write):
    """Runs in the child: define the function, answer the questions, write the responses, end."""
    try:
        for other in {*range(3, 64)} - {write}:  # the answers of other exercises leave through one of these
            with suppress(OSError):
                os.close(other)
        text = "\n".join([task["source"], *task["context"]])
        for origin, names in re.findall(r"^\s*(?:from\s+([\w.]+)\s+)?import\s+([\w., ]+)", text, re.MULTILINE):
            for module in (f"{origin}.{name}" if origin else name for name in re.findall(r"[\w.]+", names)):
                if module.split(".")[0] in IMPORTS and "__" not in module:  # now, for its user may not be allowed to read it
                    with suppress(Exception):
                        importlib.import_module(module)
        confine(request)
        answer = {"responses": responses(task)}  # plain data by now
    except BaseException as problem:  # noqa: BLE001 - whatever it is, it is the answer
        answer = {"error": f"It stops with {type(problem).__name__}: {problem}"[:300]}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(write, data[: 1 << 16]) :]
    os._exit(0)


def responses(task):
    """The responses of the function that the cell defines."""
    questions = [unpack(question) for question in task["questions"]]
    space = {"__name__": "__main__", "torch": torch}
    source = plain(task["source"])
    bring(task["context"], words(ast.parse(source)), space)
    exec(compile(source, "<your cell>", "exec"), space)
    if task["name"] not in space:
        raise NameError(f"the cell does not define {task['name']}")
    return [[pack(np.asarray(array)) for array in respond(space[task["name"]], q, task["gradient"])] for q in questions]


def words(tree):
    """The names that a piece of code uses."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def bring(cells, wanted, space):
    """Do those imports, functions and constants of other cells that the `wanted` names need; nothing else of them runs."""
    known = {name: statement for cell in cells for name, statement in definitions(cell)}

    def visit(name):
        statement = known.pop(name, None)
        if statement:
            for needed in sorted(words(statement)):
                visit(needed)
            with suppress(Exception):  # what is missing is told where it is used
                exec(compile(ast.Module([statement], []), "<your notebook>", "exec"), space)

    for name in sorted(wanted):
        visit(name)


def definitions(cell):
    """(name, statement) for each import, function, class and constant at the top level of a cell."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        for one in ast.parse(plain(cell)).body:
            if isinstance(one, ast.FunctionDef | ast.ClassDef):
                yield one.name, one
            elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and not words(one.value):
                yield one.targets[0].id, one
            for alias in one.names if isinstance(one, ast.Import | ast.ImportFrom) else ():
                if (getattr(one, "module", None) or alias.name).split(".")[0] in IMPORTS:
                    yield (alias.asname or alias.name).split(".")[0], type(one)(**{**vars(one), "names": [alias]})


def plain(source):
    """`source` without lines that only IPython understands."""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))


def confine(request):
    """Give up what student code must not have: the user, memory, files, processes, threads, network."""
    torch.ones(1, requires_grad=True).exp().backward()  # starts autograd's own thread, while threads may still be started
    with open("/proc/self/statm" if LIBC else os.devnull) as file:
        pages = int((file.read() or "4000000").split()[0])
    os.chdir(request["home"])
    places = sorted({real for place in (sys.prefix, sys.base_prefix, *sys.path) for real in (place, os.path.realpath(place))})
    if LIBC:
        landlock([*places, "/usr", "/lib", "/lib64"], request["hidden"])
    if request["user"] and os.getuid() == 0:
        os.setgroups([])
        os.setgid(request["user"])
        os.setuid(request["user"])
    if LIBC:
        LIBC.prctl(DUMPABLE, 0)  # no other process of this user may look in
        LIBC.prctl(PARENT_DEATH, signal.SIGKILL)
    limits = {"AS": pages * os.sysconf("SC_PAGE_SIZE") + MEMORY, "FSIZE": 0, "NOFILE": 64, "CORE": 0, "NPROC": 0}
    for name, limit in {**limits, "CPU": int(request["seconds"]) + 1}.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        limit = limit if (hard := resource.getrlimit(kind)[1]) < 0 else min(limit, hard)
        with suppress(*(() if LIBC else (ValueError, OSError))):  # macOS does not know them all
            resource.setrlimit(kind, (limit, limit))
    allowed = (*(f"{place}/" for place in places), "/usr/", "/lib", os.devnull)
    sys.addaudithook(watcher(allowed, tuple(request["hidden"]), os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def landlock(places, hidden):
    """From now on read below `places`, not below `hidden`, write, connect and signal nowhere; old kernels cannot."""
    version = LIBC.syscall(RULESET, None, 0, 1)
    if version < 1:
        return
    handled = ((1 << 13) - 1 | (version >= 3) << 14, 3 if version >= 4 else 0, 3 if version >= 6 else 0)  # files, TCP, signals
    rules = LIBC.syscall(RULESET, struct.pack("3Q", *handled), 8 + 8 * (version >= 4) + 8 * (version >= 6), 0)

    def allow(path, right):
        with suppress(OSError):
            folder = os.open(path, os.O_PATH)
            LIBC.syscall(RULE, rules, 1, struct.pack("=Qi", right, folder), 0)
            os.close(folder)

    def around(path):
        if not any(f"{other}/".startswith(f"{path}/") for other in hidden):
            allow(path, 4)  # read files
        elif path not in hidden:
            for name in os.listdir(path):
                around(os.path.join(path, name))

    for place in filter(os.path.isdir, places):
        allow(place, 8)  # list folders
        around(place)
    LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    LIBC.syscall(RESTRICT, rules, 0)


def watcher(allowed, hidden, writing):
    """An audit hook against what FORBIDDEN names and files outside of `allowed`; it uses nothing that can be patched."""

    def watch(event, args, type=type, int=int, str=str, bytes=bytes, error=PermissionError, allowed=allowed, hidden=hidden,
              forbidden=FORBIDDEN, writing=writing):  # fmt: skip
        if event.startswith(forbidden):
            raise error(f"{event} is not allowed while grading")
        if event == "object.__setattr__" and args[1].startswith(("__code", "__def", "__kwd")):
            if args[0].__code__.co_name == "watch":
                raise error("this is not allowed while grading")
        elif event in ("open", "os.listdir", "os.scandir") and type(args[0]) is not int:
            path = args[0].decode("latin-1") if type(args[0]) is bytes else args[0]
            seen = type(path) is str and path.startswith(allowed) and "/.." not in path and not path.startswith(hidden)
            if not seen or (event == "open" and args[2] & writing):
                raise error(f"{event} of {path if type(path) is str else 'this'} is not allowed while grading")

    return watch


if __name__ == "__main__":
    main()
