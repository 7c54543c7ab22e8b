"""Make the virtual environment that the Makefile's commands run in, or reuse it: `python3 .ci/setup_env.py .venv`.

Needs nothing but Python 3.11 or newer. The environment holds exactly what requirements.lock says; a stamp inside it
names the lock file it was made from, so that a second run has nothing to do. Two runs at the same moment wait for each
other. After an interruption the environment is made anew (downloads come from pip's cache). If it lies inside the
repository, the package itself is installed too, editable, so that an editor finds it; elsewhere it may serve several
clones, and the Makefile's PYTHONPATH names the right one.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GPU_ONLY = ("nvidia-", "cuda-", "triton")  # what a CPU-only torch does without
BUILDING = ".building"


def main(arguments):
    """Make or reuse the environment; return the exit code."""
    place = os.path.abspath(arguments[0])
    torch_index = os.environ.get("TORCH_INDEX", "")
    os.makedirs(os.path.dirname(place), exist_ok=True)
    try:
        with locked(place + ".lock"):
            make(place, torch_index)
    except subprocess.CalledProcessError as problem:
        command = " ".join(map(str, problem.cmd))
        print(f"\nSet-up stopped: `{command}` failed.", file=sys.stderr)
        print("Run the same command again when the cause is gone.", file=sys.stderr)
        return 1
    return 0


def logged(command):
    """Run a command with its output in a file; a terminal shows one line of progress. Raises CalledProcessError."""
    with (
        tempfile.NamedTemporaryFile("w", prefix="latentlab-setup-", suffix=".log", delete=False) as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        for line in process.stdout:
            log.write(line)
            if sys.stdout.isatty() and line.startswith(("Collecting", "Downloading", "Processing", "Installing")):
                print(f"\r\033[K  {line.strip()[:90]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)
    if process.returncode:
        print(f"The whole log: {log.name}", file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, command)
    os.remove(log.name)


def make(place, torch_index="", root=ROOT, run=logged):
    """Bring the environment at `place` to what the files in `root` say."""
    inside = place.startswith(root + os.sep)
    stamp = os.path.join(place, ".stamp-" + key(root, inside, torch_index))
    python = os.path.join(place, "bin", "python")
    if os.path.exists(stamp) and works(python):
        return
    building = os.path.join(place, BUILDING)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if os.path.exists(building) or not works(python):
        print(f"Setting up {place} (once: some minutes, and 6 GB on Linux or 2 GB elsewhere).", flush=True)
        print("While pip unpacks at the end, nothing moves for two or three minutes.", flush=True)
        remove(place)
        os.makedirs(place, exist_ok=True)
        open(building, "w").close()
        run([sys.executable, "-m", "venv", place])
    else:
        print(f"Bringing {place} in line with requirements.lock and pyproject.toml …", flush=True)
        pip.append("--quiet")  # else a line for each package that is there already
        open(building, "w").close()
    for name in os.listdir(place):
        if name.startswith(".stamp-"):
            os.remove(os.path.join(place, name))
    run([*pip, "--no-deps", *requirements(place, torch_index, root)])
    if inside:
        run([*pip, "--no-deps", "--no-build-isolation", "--editable", root])
    open(stamp, "w").close()
    os.remove(building)


def requirements(place, torch_index, root=ROOT):
    """pip's arguments: the lock file; with another index for torch, the lock file without the GPU libraries."""
    lock = os.path.join(root, "requirements.lock")
    if not torch_index:
        return ["-r", lock]
    slim = os.path.join(place, "requirements-cpu.txt")
    with open(lock) as full, open(slim, "w") as out:
        out.writelines(line for line in full if not line.startswith(GPU_ONLY))
    return ["--extra-index-url", torch_index, "-r", slim]


def key(root, with_project, torch_index=""):
    """A short name for everything the environment is made of."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {torch_index}".encode())
    for name in ("requirements.lock", "pyproject.toml") if with_project else ("requirements.lock",):
        with open(os.path.join(root, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:12]


def works(python):
    """Whether the environment's Python starts and is of the version that runs this script."""
    ask = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        found = subprocess.run(ask, capture_output=True, text=True).stdout.split()
    except OSError:
        return False
    return found == [str(number) for number in sys.version_info[:2]]


def remove(place):
    """Remove an old or half-made environment, and refuse to remove anything else."""
    if not os.path.isdir(place) or not os.listdir(place):
        return
    if not any(os.path.exists(os.path.join(place, name)) for name in (BUILDING, "pyvenv.cfg")):
        sys.exit(f"{place} exists and is not a virtual environment. Choose another place: make course VENV=<folder>")
    shutil.rmtree(place)


@contextlib.contextmanager
def locked(path):
    """Hold a lock on `path`, so that two set-ups at the same moment do not mix."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"Another set-up is at work on {path[: -len('.lock')]}; waiting for it …", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
