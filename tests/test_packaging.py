"""pyproject.toml, requirements.lock and environment.yml agree; imports are declared; the commands exist."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import latentlab

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
LOCK_LINES = [
    line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")
]
LOCK = [Requirement(line) for line in LOCK_LINES]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
# Names that are imported under another name than they are installed under.
INSTALLED_AS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "IPython": "ipython",
    "faiss": "faiss-cpu",
}
INSTALLED_AS |= {"websocket": "websocket-client"}
PLACES = [
    {"sys_platform": system, "platform_system": long, "os_name": "posix", "platform_machine": machine}
    | {"python_version": python, "python_full_version": f"{python}.8", "implementation_name": "cpython"}
    for system, long, machine in [
        ("linux", "Linux", "x86_64"),
        ("linux", "Linux", "aarch64"),
        ("darwin", "Darwin", "arm64"),
    ]
    for python in ("3.11", "3.12", "3.13")
]


def names(requirements):
    return {canonicalize_name(requirement.name) for requirement in requirements}


def pinned(name, place):
    """The version that the lock file installs for `name` in `place`."""
    applies = [r for r in LOCK if canonicalize_name(r.name) == name and (r.marker is None or r.marker.evaluate(place))]
    assert len(applies) == 1, f"{name} stands {len(applies)} times in requirements.lock for {place}"
    return Version(str(applies[0].specifier).removeprefix("=="))


def setup_script():
    """`.ci/setup_env.py` as a module."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / ".ci" / "setup_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the three files ---------------------------------------------


@pytest.mark.parametrize(
    "place", PLACES, ids=lambda p: f"{p['sys_platform']}-{p['platform_machine']}-{p['python_version']}"
)
def test_the_lock_holds_every_dependency_within_its_bounds(place):
    for requirement in [*CORE, *EXTRAS["lab"], *EXTRAS["test"]]:
        version = pinned(canonicalize_name(requirement.name), place)
        assert requirement.specifier.contains(version, prereleases=True), f"the lock's {version} is not {requirement}"


def test_the_lock_is_exact_and_names_no_place():
    for line, requirement in zip(LOCK_LINES, LOCK, strict=True):
        assert re.fullmatch(r"==[\w.!+]+", str(requirement.specifier)), f"not an exact version: {line}"
        assert requirement.url is None and "+" not in str(requirement.specifier), f"not from the package index: {line}"


def test_gpu_libraries_are_for_linux_only():
    mac = [place for place in PLACES if place["sys_platform"] == "darwin"]
    gpu = [r for r in LOCK if r.name.startswith(setup_script().GPU_ONLY)]
    assert gpu
    assert not [r.name for r in gpu for place in mac if r.marker is None or r.marker.evaluate(place)]


def test_environment_yml_takes_its_versions_from_the_lock():
    conda = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    (pip,) = [line["pip"] for line in ENVIRONMENT["dependencies"] if isinstance(line, dict)]
    assert ENVIRONMENT["name"] == PROJECT["name"]
    assert pip[0] == "-r requirements.lock" and "-e ." in pip
    (python,) = [line.partition("=")[2] for line in conda if line.startswith("python=")]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(f"{python}.8")
    place = next(place for place in PLACES if place["python_version"] == python)
    for line in [*conda, *pip[1:]]:
        if "=" in line and not line.startswith(("python=", "-")):
            name, version = re.fullmatch(r"([\w.-]+)==?([\w.]+)", line).groups()
            assert pinned(canonicalize_name(name), place) == Version(version)


def test_torch_that_is_there_stays():
    """Loose lower bounds: no dependency refuses a newer version, and old hosted torch versions are enough."""
    for requirement in CORE:
        assert [clause.operator for clause in requirement.specifier] in ([">="], []), (
            f"{requirement} is not just a lower bound"
        )
    bounds = {requirement.name: requirement.specifier for requirement in CORE}
    assert all(bounds["torch"].contains(v) for v in ("2.4.0", "2.6.0+cu124", "2.13.0+cpu", "2.15.0", "3.0"))
    assert all(bounds["torchvision"].contains(v) for v in ("0.19.0", "0.21.0+cu124", "0.29.2", "1.0"))
    assert not bounds["torch"].contains("2.3.1")
    assert not names(CORE) & {"jupyter", "jupyterlab", "notebook"}, "a hosted Jupyter must not be replaced"


def test_python_versions_agree():
    needed = PROJECT["requires-python"].removeprefix(">=")
    makefile = (ROOT / "Makefile").read_text()
    assert f"sys.version_info < ({needed.replace('.', ', ')})" in makefile and f"Python {needed} or newer" in makefile
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["target-version"]
    assert ruff == "py" + needed.replace(".", "")


# ---- the package -------------------------------------------------


def imported(folder, everywhere):
    """Third-party packages that the files in `folder` import: anywhere, or only when the file is imported."""
    found = set()
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree) if everywhere else tree.body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    local = {path.stem for path in folder.rglob("*.py")} | {"latentlab"}
    return {canonicalize_name(INSTALLED_AS.get(name, name)) for name in found - set(sys.stdlib_module_names) - local}


def test_the_package_imports_only_what_it_declares():
    declared = names(CORE)
    assert "torch" in imported(ROOT / "src", everywhere=True)
    assert imported(ROOT / "src", everywhere=False) <= declared
    optional = set().union(*(names(extra) for extra in EXTRAS.values()))
    assert imported(ROOT / "src", everywhere=True) <= declared | optional


def test_the_tests_import_only_what_they_declare():
    assert imported(ROOT / "tests", everywhere=True) <= names(CORE) | names(EXTRAS["test"]) | names(EXTRAS["lab"])


def test_the_wheel_holds_every_module_and_the_ledger(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=project, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"latentlab-{latentlab.__version__}-")
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = (project / "src" / "latentlab").rglob("*")
    expected = {str(p.relative_to(project / "src")) for p in files if p.suffix in (".py", ".toml", ".json", ".css")}
    assert "latentlab/course/claims.toml" in expected
    assert expected <= inside, f"missing in the wheel: {sorted(expected - inside)}"


# ---- the commands ------------------------------------------------


def make(*arguments, **environment):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})


def targets():
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:")]
    return line.split()[1:]


def test_make_alone_lists_every_command():
    shown = make().stdout
    for target in targets():
        assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE), f"`make help` does not explain {target}"


def test_the_readme_names_only_commands_that_exist_and_ci_runs_its_test_command():
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"```.*?```|`[^`\n]+`", readme, re.DOTALL))))
    assert {"course", "test"} <= named <= set(targets())
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().splitlines()[-1].startswith("exec make test")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_make_test_compares_strictly():
    shown = make("-n", "test").stdout
    assert shown.count("--ignore=notebooks/student ") == 1  # made from the others, with gaps: see test_student.py
    assert "--nbval " in shown and "--nbval-lax" not in shown and shown.count("--ignore") == 1
    for option in ("--nbval-current-env", "--nbval-cell-timeout=", "--nbval-sanitize-with tests/nbval_sanitize.cfg"):
        assert option in shown
    assert (ROOT / "tests" / "nbval_sanitize.cfg").is_file()


@pytest.mark.parametrize("old", [True, False])
def test_an_old_or_missing_python_is_said_in_two_sentences(tmp_path, old):
    python = tmp_path / "python"
    if old:
        python.write_text("#!/bin/sh\necho Python 3.9.18\nexit 1\n")
        python.chmod(0o755)
    answer = make("setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert answer.returncode != 0 and not (tmp_path / "venv").exists()
    first, second = answer.stdout.splitlines()
    assert (
        first.startswith("latentlab needs Python 3.11 or newer") and ("Python 3.9.18" if old else "not found") in first
    )
    assert "PYTHON=" in second


# ---- the environment ---------------------------------------------


@pytest.fixture
def workshop(tmp_path):
    """(make an environment, places): `.ci/setup_env.py` with its own root, and a list of requests instead of pip."""
    script, root, asked = setup_script(), tmp_path / "clone", []
    root.mkdir()
    (root / "requirements.lock").write_text("nvidia-x==1 ; sys_platform == 'linux'\ntorch==2.15.0\n")
    (root / "pyproject.toml").write_text("")

    def run(command):
        asked.append(" ".join(command[1:]))
        if "venv" in command:
            place = Path(command[-1])
            (place / "bin").mkdir(parents=True)
            (place / "pyvenv.cfg").touch()
            (place / "bin" / "python").symlink_to(sys.executable)

    def build(place=root / ".venv", run=run, **options):
        asked.clear()
        script.make(str(place), root=str(root), run=run, **options)
        return [re.search(r"(-m venv|--editable|-r)(?= )", line)[1] for line in asked]

    return build, root, asked


def test_a_second_set_up_reuses_the_first_and_a_changed_lock_updates_it(workshop):
    build, root, _ = workshop
    assert build() == ["-m venv", "-r", "--editable"]
    assert build() == []
    (root / "requirements.lock").write_text("torch==2.15.1\n")
    assert build() == ["-r", "--editable"]
    assert build() == []
    (root / "pyproject.toml").write_text("changed")
    assert build() == ["-r", "--editable"]
    assert len(list((root / ".venv").glob(".stamp-*"))) == 1


def test_an_environment_outside_the_clone_depends_on_the_lock_alone(workshop, tmp_path):
    build, root, _ = workshop
    assert build(tmp_path / "cache") == ["-m venv", "-r"]
    (root / "pyproject.toml").write_text("changed")
    assert build(tmp_path / "cache") == []


def test_an_interrupted_set_up_starts_again(workshop):
    build, root, _ = workshop

    def interrupted(command):
        if "venv" in command:
            (root / ".venv" / "half").write_text("written")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(run=interrupted)
    assert build() == ["-m venv", "-r", "--editable"]
    assert not (root / ".venv" / "half").exists()
    assert build() == []


def test_a_folder_that_is_no_environment_is_left_alone(workshop, tmp_path):
    build, _, _ = workshop
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(SystemExit, match="not a virtual environment"):
        build(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_another_index_for_torch_leaves_the_gpu_libraries_out(workshop):
    build, root, asked = workshop
    build(torch_index="file:///cpu")
    (command,) = [line for line in asked if " -r " in line]
    assert "--extra-index-url file:///cpu" in command
    assert Path(command.split(" -r ")[1]).read_text() == "torch==2.15.0\n"
    assert build(torch_index="file:///cpu") == []
    assert build() == ["-r", "--editable"], "another torch is another environment"


def test_a_command_that_fails_leaves_its_log_and_says_where(capsys):
    script = setup_script()
    with pytest.raises(subprocess.CalledProcessError):
        script.logged([sys.executable, "-c", "print('no such package'); raise SystemExit(3)"])
    log = Path(re.search(r"The whole log: (\S+)", capsys.readouterr().err)[1])
    assert log.read_text() == "no such package\n"
    log.unlink()


def test_the_package_stays_small():
    files = [path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".toml", ".css", ".js", ".j2")]
    lines = {path: path.read_text().splitlines() for path in files}
    assert sum(map(len, lines.values())) <= 11_000, "lines of everything in src, blank ones and templates included"
    assert max((len(rows), path.name) for path, rows in lines.items())[0] <= 350, "no file much longer than that"
    python = [row for path, rows in lines.items() if path.suffix == ".py" for row in rows]
    assert max(map(len, python)) <= 120
