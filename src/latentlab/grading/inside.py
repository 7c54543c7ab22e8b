"""Runs INSIDE the sandbox: students' cells and questions come in, responses go out as JSON, to be judged elsewhere.

Imports nothing of latentlab: a copy runs beside a copy of `respond.py`. The judge packs and unpacks by the same lines.
"""

import ast
import base64
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

MEMORY = 1 << 30  # bytes that student code may add to the address space
RESPONSE = 4 << 20  # bytes of one exercise's responses
IMPORTS = {"torch", "numpy", "scipy", "math", "cmath", "random", "itertools", "functools", "collections"}
IMPORTS |= {"typing", "dataclasses"}
# Audit events that end an answer: a clear word, and the last defence where neither bubblewrap nor Landlock works.
FORBIDDEN = ("socket.", "subprocess.", "ctypes.", "shutil.", "ftplib.", "urllib.", "sqlite3.", "signal.pthread_kill")
FORBIDDEN += ("os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "os.ch", "os.link", "os.mk")
FORBIDDEN += ("os.rmdir", "os.symlink", "os.unlink", "os.remove", "os.rename", "os.truncate", "os.utime", "os.setxattr")
NEW_NETWORK, NEW_USER = 0x40000000, 0x10000000  # of unshare
PARENT_DEATH, DUMPABLE, NO_NEW_PRIVILEGES = 1, 4, 38  # of prctl
RULESET, RULE, RESTRICT = 444, 445, 446  # system calls of Landlock, Linux 5.13 and later
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def main():
    """Answer the request on standard input: every exercise in a process of its own, one line of JSON for each."""
    out = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    request = json.load(sys.stdin)
    if LIBC:
        LIBC.prctl(PARENT_DEATH, signal.SIGKILL)
        LIBC.unshare(NEW_NETWORK | (NEW_USER if os.getuid() else 0))  # no network below; not allowed everywhere
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    torch.set_num_threads(1)
    for task in request["tasks"]:
        print(json.dumps({**supervised(task, request), "id": task["id"]}), file=out, flush=True)


def supervised(task, request):
    """What a child process finds out about one task, or why it found nothing."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        attempt(task, request, write)
    os.close(write)
    deadline, data = time.monotonic() + request["seconds"], bytearray()
    while (left := deadline - time.monotonic()) > 0 and len(data) <= RESPONSE:
        if select.select([read], [], [], left)[0]:
            if not (part := os.read(read, 1 << 20)):
                break
            data += part
    os.close(read)
    os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if len(data) > RESPONSE:
        return {"error": "It returns more than 4 MB."}
    if left <= 0 or code == -signal.SIGXCPU:
        return {"error": f"It takes longer than {request['seconds']:g} seconds."}
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError, RecursionError):
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return {"error": f"It ends the process ({how}) without a result."}


def attempt(task, request, write):
    """Runs in the child: define the function, answer the questions, write the responses, end."""
    try:
        os.closerange(3, write)  # the answers of other exercises leave through one of these
        os.closerange(write + 1, 64)
        text = "\n".join([task["source"], *task["context"]])
        for origin, names in re.findall(r"^\s*(?:from\s+([\w.]+)\s+)?import\s+([\w., ]+)", text, re.MULTILINE):
            for module in (f"{origin}.{name}" if origin else name for name in re.findall(r"[\w.]+", names)):
                if module.split(".")[0] in IMPORTS and "__" not in module:  # now, while it may be read
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
    source, name = plain(task["source"]), task["name"]
    bring(words(ast.parse(source)), dict(pair for cell in task["context"] for pair in definitions(cell)), space)
    exec(compile(source, "<your cell>", "exec"), space)
    if name not in space:
        raise NameError(f"the cell does not define {name}")
    return [[pack(np.asarray(array)) for array in respond(space[name], q, task["gradient"])] for q in questions]


def words(tree):
    """The names that a piece of code uses."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def bring(wanted, known, space):
    """Do those statements of `known`, by name, that `wanted` needs, what they need first; nothing else runs."""
    for name in sorted(wanted):
        if statement := known.pop(name, None):
            bring(words(statement), known, space)
            with suppress(Exception):  # what is missing is told where it is used
                exec(compile(ast.Module([statement], []), "<your notebook>", "exec"), space)


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
    torch.ones(1, requires_grad=True).exp().backward()  # starts autograd's own thread, while it may
    with open("/proc/self/statm" if LIBC else os.devnull) as file:
        pages = int((file.read() or "4000000").split()[0])
    os.chdir(request["home"])
    known = {sys.prefix, sys.base_prefix, *sys.path}
    places = sorted(known | set(map(os.path.realpath, known)))
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
    files, network, signals = (1 << 13) - 1 | (version >= 3) << 14, 3 * (version >= 4), 3 * (version >= 6)
    size = 8 + 8 * (version >= 4) + 8 * (version >= 6)
    rules = LIBC.syscall(RULESET, struct.pack("3Q", files, network, signals), size, 0)

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
    """An audit hook against what FORBIDDEN names and files not `allowed`; it uses nothing that can be patched."""

    def watch(event, args, type=type, int=int, str=str, bytes=bytes, error=PermissionError, allowed=allowed,
              hidden=hidden, forbidden=FORBIDDEN, writing=writing):  # fmt: skip
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


def pack(value):
    """A number, text, None, tensor, array, or tuple or list of these as JSON; no pickle, ever. Raises TypeError."""
    if isinstance(value, torch.Tensor):
        return {"tensor": pack(value.detach().numpy())}
    if isinstance(value, np.ndarray):
        data = base64.b64encode(value.tobytes()).decode()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "data": data}
    if isinstance(value, tuple | list):
        parts = [pack(part) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A {type(value).__name__} cannot be sent; numbers, text, tensors, arrays, tuples, lists can.")


def unpack(value):
    """The inverse of `pack`. Raises ValueError, KeyError or TypeError for anything that is not its result."""
    if isinstance(value, list):
        return [unpack(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return torch.from_numpy(unpack(value["tensor"]))
    if "tuple" in value:
        return tuple(unpack(part) for part in value["tuple"])
    dtype = np.dtype(str(value["dtype"]))
    if dtype.kind not in "biufcU":
        raise TypeError(f"An array of {dtype} is no data.")
    return np.frombuffer(base64.b64decode(value["data"]), dtype).reshape(value["shape"]).copy()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # python -I looks nowhere by itself
    from respond import respond

    main()
