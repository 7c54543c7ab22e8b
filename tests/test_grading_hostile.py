"""Submissions that want unearned points, or harm: none gains one, none hangs, nothing outside is read or changed."""

import ctypes
import json
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

import latentlab
from grading_room import NOTEBOOKS, grade, hand_in, written_exercises
from latentlab.grading import sandbox

PACKAGE = Path(latentlab.__file__).parent
# What an attack may use: NAME and ID of the exercise, SRC where the course lies, VICTIM a right submission, MARK a
# file that must not appear, PORT where a listener counts calls, STEAL a piece of code that turns a submission's text
# into its function.
STEAL = """
    import json
    cells = json.loads(text[: text.rindex("}") + 1])["cells"]
    space = {"torch": __import__("torch"), "math": __import__("math"), "F": __import__("torch").nn.functional}
    exec(next("".join(c["source"]) for c in cells if "def NAME(" in "".join(c["source"])), space)
    return space["NAME"](*x)"""
SOLVE = "from latentlab.course.exercises import exercises\n    return exercises()['ID'].solution(*x)"
FORGED = '{"responses": [[], [], [], [], []], "id": "ID", "points": 9, "of": 9, "reason": "Right.", "error": ""}'
ATTACKS = {
    "imports the solution": SOLVE,
    "finds the course's folder": "import sys; sys.path.insert(0, 'SRC'); " + SOLVE,
    "reads a submission": "text = open('VICTIM').read()" + STEAL,
    "reads it as bytes of the system": "import os; text = os.read(os.open('VICTIM', 0), 1 << 24).decode()" + STEAL,
    "reads it with numpy": "import numpy; text = numpy.fromfile('VICTIM', 'u1').tobytes().decode()" + STEAL,
    "reads it around a corner": "import sys; text = open(sys.prefix + '/..' * 20 + 'VICTIM').read()" + STEAL,
    "reads it with a path that lies": """
    class Path:
        calls = 0
        def __fspath__(self):
            self.calls += 1
            return 'VICTIM' if self.calls % 2 else '/usr/lib/os-release'
    import io; text = io.FileIO(Path()).read().decode()"""
    + STEAL,
    "lists the submissions": "import os; os.listdir(os.path.dirname('VICTIM')); import glob; assert glob.glob('SRC/*')",
    "unhooks the watch": """
    import gc, builtins
    for f in gc.get_objects():
        if type(f) is type(lambda: 0) and f.__name__ == "watch":
            if f.__kwdefaults__: f.__kwdefaults__.update(allowed=("",), hidden=("?",), forbidden=("?",))
            for cell in f.__closure__ or (): cell.cell_contents = ("",)
            try: f.__defaults__ = tuple(("",) if type(d) is tuple else d for d in f.__defaults__)
            except PermissionError: pass
            f.__globals__["FORBIDDEN"] = ("?",)
    builtins.isinstance = lambda *a: False
    text = open('VICTIM').read()"""
    + STEAL,
    "takes the end of the process": "import os; os._exit(0)",
    "exits": "raise SystemExit(0)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "crashes without ctypes": """
    import torch
    torch.as_strided(torch.ones(1), (1 << 20, 1 << 20), (1 << 10, 1 << 10)).sum()""",
    "loops": "while True: pass",
    "loops when it is imported": None,
    "sleeps deaf to signals": "import signal, time; signal.pthread_sigmask(0, range(1, 64)); time.sleep(1000)",
    "forks": "import os\n    while True: os.fork()",
    "forks below Python": """
    import _posixsubprocess, os
    read, write = os.pipe()
    _posixsubprocess.fork_exec(
        [b'/bin/sh', b'-c', b'touch MARK'], [b'/bin/sh'], True, (write,), None, None, -1, -1, -1, -1, -1, -1,
        read, write, False, True, -1, None, None, None, -1, None, False)""",
    "starts a program": """
    import subprocess
    subprocess.Popen(['/bin/sh', '-c', 'sleep 1; touch MARK'], start_new_session=True)""",
    "starts a shell": "import os; os.system('touch MARK')",
    "becomes a program": "import os; os.execv('/bin/sh', ['sh', '-c', 'touch MARK'])",
    "starts threads": """
    import threading, time
    for _ in range(99): threading.Thread(target=time.sleep, args=(99,)).start()""",
    "fills memory": "data = []\n    while True: data.append(bytearray(1 << 26))",
    "asks for all memory": "import torch; return torch.ones(1 << 40)",
    "fills the disk": "for n in range(99): open(f'/tmp/grading-junk-{n}', 'wb').write(bytes(1 << 24))",
    "saves tensors": "import torch, tempfile; torch.save(torch.ones(9), tempfile.gettempdir() + '/grading-junk')",
    "writes into a submission": "open('VICTIM', 'w').write('gone')",
    "removes everything": "import shutil, os; shutil.rmtree(os.path.dirname('VICTIM'))",
    "moves a submission": "import os; os.rename('VICTIM', 'VICTIM.gone')",
    "opens the network": "import socket; socket.socket().connect(('127.0.0.1', PORT))",
    "opens the network below Python": "import _socket; _socket.socket(2, 1).connect(('127.0.0.1', PORT))",
    "asks the web": "import urllib.request; return float(urllib.request.urlopen('http://127.0.0.1:PORT').read())",
    "kills its parent": "import os, signal; os.kill(os.getppid(), 9)",
    "kills all": "import os; os.killpg(0, 9); os.kill(-1, 9)",
    "reads its parent's memory": "import os; return float(open(f'/proc/{os.getppid()}/mem', 'rb').read(8)[0])",
    "reads the environment": "import os; return float('LATENTLAB' in ''.join(os.environ) or 'nothing')",
    "writes its answer to every stream": f"""
    import os
    for stream in range(64):
        try: os.write(stream, b'''{FORGED}''' + b'\\n')
        except OSError: pass
    os._exit(0)""",
    "prints its answer": f"print('''{FORGED}'''); import sys; sys.stderr.write('points: 9'); return 'Right.'",
    "floods": """
    import os
    while True:
        for stream in range(64):
            try: os.write(stream, bytes(1 << 20))
            except OSError: pass""",
    "answers too deep": """
    import os
    for stream in range(3, 64):
        try: os.write(stream, b'[' * 60000)
        except OSError: pass
    os._exit(0)""",
    "patches json": f"import json; json.dumps = lambda *a, **k: '''{FORGED}'''; return 0.0",
    "patches the sandbox": "import sys; m = sys.modules['__main__']; m.respond = m.pack = lambda *a: []; return 0.0",
    "patches what ends the process": "import os; os._exit = os.write = lambda *a: 0; return 0.0",
    "patches torch and numpy": """
    import numpy, torch
    torch.equal = numpy.allclose = lambda *a, **k: True
    return torch.zeros(3)""",
    "is equal to everything": """
    return type('Liar', (float,), {'__eq__': lambda s, o: True, '__ne__': lambda s, o: False})(3)""",
    "is a tensor equal to everything": """
    import torch
    class Liar(torch.Tensor):
        def __eq__(self, other): return True
        @classmethod
        def __torch_function__(cls, f, types, args=(), kwargs=None): return torch.zeros(())
    return torch.zeros(3).as_subclass(Liar)""",
    "raises an error that lies": "raise type('E', (BaseException,), {'__str__': lambda s: exec('while True: pass')})()",
    "returns the longest answer": "return [float(n) for n in range(10**6)], __import__('torch').ones(10**6)",
    "looks for the answer in memory": """
    import gc, sys
    frame, found = sys._getframe(), []
    while frame:
        found += [v for v in [*frame.f_locals.values(), *frame.f_globals.values()] if type(v).__name__ == 'Exercise']
        frame = frame.f_back
    found += [o for o in gc.get_objects() if type(o).__name__ == 'Exercise' or (type(o) is dict and 'solution' in o)]
    return (found[0]['solution'] if type(found[0]) is dict else found[0].solution)(*x)""",
    "returns pickles": "return type('P', (), {'__reduce__': lambda s: (__import__('os').mkdir, ('MARK',))})()",
    "asks to be right": "'''points: 9, reason: Right.'''; raise Exception('Right.')",
}
BELOW_PYTHON = {  # only bubblewrap or Landlock stops these
    "reads it with torch": """
    import torch
    text = torch.from_file('VICTIM', size=SIZE, dtype=torch.uint8).numpy().tobytes().decode()"""
    + STEAL,
    "writes with torch": "import torch; torch.from_file('MARK', True, 1 << 20, dtype=torch.uint8)",
    "opens the network with torch": """
    from torch.distributed import TCPStore
    TCPStore('127.0.0.1', PORT, is_master=False, wait_for_workers=False)""",
}


def landlock_works():
    return sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


def attackers(folder, about):
    """Hand in every attack, each as another exercise's cell; {(student, exercise): attack}."""
    wanted = list(written_exercises().values())
    safe = landlock_works() or sandbox.isolation() != "limits only"
    attacks, made = list({**ATTACKS, **(BELOW_PYTHON if safe else {})}.items()), {}
    for start in range(0, len(attacks), len(wanted)):
        cells = []
        for (title, body), exercise in zip(attacks[start:], wanted, strict=False):
            head = f"def NAME(*x):\n    {body}" if body else "while True: pass\nNAME = lambda *x: 0"
            text = (
                re.sub("|".join(about), lambda m: about[m[0]], head)
                .replace("NAME", exercise.name)
                .replace("ID", exercise.id)
            )
            compile(text, title, "exec")
            cells.append((exercise.id, text))
            made[f"mallory{start}", exercise.id] = title
        hand_in(folder / f"mallory{start}.ipynb", *cells)
    return made


def liars(folder, right):
    """Submissions that say about themselves that they are right, in every place where something can be said."""
    student = json.loads((NOTEBOOKS / "student" / "10_vae.ipynb").read_text())
    words = {"latentlab": [{"kind": "claim", "id": "10.a", "verdict": "confirmed", "points": 99}]}
    output = {"output_type": "display_data", "data": {"text/plain": "✓ Exercise 10.a: right."}, "metadata": words}
    for cell in student["cells"]:
        cell["metadata"].setdefault("nbgrader", {}).update(points=99, score=99, grade=True)
        if cell["cell_type"] == "code":
            cell["outputs"] = [output]
    student["metadata"]["nbgrader"] = {"score": 99}
    (folder / "metadata.ipynb").write_text(json.dumps(student))
    check = "def check(*x):\n    return x[-1]\nfrom latentlab.course import exercises\nexercises.fault = lambda *a: ''"
    zero = "def gaussian_kl(m, v):\n    return 0 * m.sum(-1)"
    course = "from latentlab.losses import reparametrise as given\nimport latentlab.losses as l"
    stolen = "def reparametrise(m, v, e):\n    return given(m, v, e)"
    edited = ("10.a-check", "gaussian_kl = check('10.a')\nassert True")
    hand_in(folder / "checks.ipynb", ("", check), ("10.a", zero), edited, ("", course), ("10.b", stolen))
    hand_in(folder / "deleted.ipynb", ("10.b-check", "assert True"), ("", "claim('10.a', parts={'right': True})"))
    (folder / "linked").mkdir()
    (folder / "linked" / "10_vae.ipynb").symlink_to(right)
    (folder / "shadow").symlink_to(NOTEBOOKS)
    (folder / "harder.ipynb").symlink_to(NOTEBOOKS / "10_vae.ipynb")
    return ("metadata", "checks", "deleted", "linked", "shadow", "harder")


@pytest.fixture
def listener():
    """(port, calls): counts who connects."""
    calls, server = [], socket.create_server(("127.0.0.1", 0))

    def listen():
        while True:
            try:
                connection, address = server.accept()
            except OSError:
                return
            calls.append(address)
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield server.getsockname()[1], calls
    server.close()


@pytest.mark.parametrize("bubblewrap", [False, True], ids=["limits", "bubblewrap"])
def test_no_attack_gains_a_point_and_none_hangs_or_harms(tmp_path, listener, monkeypatch, bubblewrap):
    if bubblewrap and sandbox.isolation() == "limits only":
        pytest.skip("bubblewrap does not work here")
    if not bubblewrap:
        monkeypatch.setattr(sandbox, "isolation", lambda: "limits only")
    folder, mark, (port, calls) = tmp_path / "in", tmp_path / "mark", listener
    folder.mkdir()
    os.chmod(tmp_path, 0o777)
    books = [json.loads(path.read_text()) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    solved = [c for book in books for c in book["cells"] if "nbgrader" in c["metadata"]]
    right = [(c["metadata"]["nbgrader"]["grade_id"], "".join(c["source"])) for c in solved]
    alice = folder / "alice.ipynb"  # every solution in one file, readable for all
    hand_in(alice, ("", "import math\nimport torch\nimport torch.nn.functional as F"), *right)
    for path in [folder, *folder.rglob("*")]:
        os.chmod(path, 0o777 if path.is_dir() else 0o666)
    about = {"SRC": str(PACKAGE.parent), "VICTIM": str(alice), "MARK": str(mark), "PORT": str(port)}
    about["SIZE"] = str(alice.stat().st_size)
    made = attackers(folder, about)
    lying = liars(folder, alice)
    assert len(made) + len(lying) >= 50
    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}

    started = time.monotonic()
    found = grade(folder, tmp_path / "out", "--seconds", "2")
    assert time.monotonic() - started < 40 + 4 * len(made), "something hung"
    gained = {(s, id): row for s, rows in found.items() if s != "alice" for id, row in rows.items() if row[0]}
    assert not gained, {made.get(key, key): row for key, row in gained.items()}
    for (student, id), title in made.items():
        assert not found[student][id][2].startswith(("Right", "There is no cell", "Nothing is")), (
            title,
            found[student][id],
        )
    assert found.keys() >= set(lying)
    assert all(found["alice"][id][0] == found["alice"][id][1] for id in ("10.a", "10.b", "10.c", "11.a", "09.b")), (
        found["alice"]
    )
    time.sleep(1.2)  # what was started in the background would have left its mark
    assert not calls and not mark.exists() and not list(Path("/tmp").glob("grading-junk-*"))
    assert before == {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    page = (tmp_path / "out" / "feedback" / "mallory0.html").read_text()
    assert "It takes longer than 2 seconds." in page and "It ends the process" in page and "not allowed" in page
