"""Strict nbval in several regimes of one machine, naming cells that differ: `python benchmarks/portable.py notebooks`.

A regime is an environment: how many threads, and which instructions torch's libraries may use. Those that the
processor lacks, or has as its best anyway, are named and left out. `--only WORD` takes the regimes with WORD in their
name. As many notebooks run at a time as the machine has cores for their threads.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
THREADS = {"one thread": {"OMP_NUM_THREADS": "1"}, "two threads": {"OMP_NUM_THREADS": "2"}}
# Without hardware for it, precision "auto" is float32: LATENTLAB_BFLOAT16=0 says there is none.
FLOAT32 = {"LATENTLAB_BFLOAT16": "0"}


def instructions(onednn: str, aten: str, mkl: str) -> dict[str, str]:
    """The environment that keeps torch's three libraries to a set of instructions."""
    return FLOAT32 | {"ONEDNN_MAX_CPU_ISA": onednn, "ATEN_CPU_CAPABILITY": aten, "MKL_ENABLE_INSTRUCTIONS": mkl}


SETS = {  # name → (whether this processor has it as something of its own, its environment)
    "as the machine is": (True, {}),
    "AVX-512, float32": (torch.cpu._is_avx512_supported(), instructions("AVX512_CORE", "avx512", "AVX512")),
    "AVX2, float32": (torch.cpu._is_avx512_supported(), instructions("AVX2", "avx2", "AVX2")),
    "SSE, float32": (True, instructions("SSE41", "default", "SSE4_2")),  # before 2013: two to four times slower
}


def nbval(notebook: Path, regime: dict[str, str]) -> tuple[list[str], float]:
    """The cells that differ from the stored outputs, and the seconds it took."""
    rules = ["--nbval-sanitize-with", str(ROOT / "tests/nbval_sanitize.cfg"), "--nbval-cell-timeout=600"]
    quiet = ["-p", "no:cacheprovider", "-q", "--color=no"]
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", *rules, *quiet, str(notebook)]
    begun = time.perf_counter()
    done = subprocess.run(command, env=os.environ | regime, cwd=ROOT, capture_output=True, text=True)
    cells = re.findall(r"^FAILED \S+::(Cell \d+)", done.stdout, re.MULTILINE)
    return cells or ([] if done.returncode == 0 else [done.stdout[-300:]]), time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / "notebooks"])
    parser.add_argument("--only", default="", help="a word of the regimes' names")
    given, failed = parser.parse_args(), 0
    notebooks = [n for path in given.paths for n in (sorted(path.glob("*.ipynb")) if path.is_dir() else [path])]
    regimes = {f"{n}, {name}": many | more for name, (own, more) in SETS.items() if own for n, many in THREADS.items()}
    left_out = [name for name, (own, _) in SETS.items() if not own]
    print("nothing of their own on this processor:", ", ".join(left_out) or "none", flush=True)
    for name in (name for name in regimes if given.only in name):
        at_once = max(1, os.cpu_count() // int(regimes[name]["OMP_NUM_THREADS"]))
        with ThreadPoolExecutor(at_once) as pool:
            results = pool.map(nbval, notebooks, [regimes[name]] * len(notebooks))
            for notebook, (cells, took) in zip(notebooks, results, strict=True):
                failed += bool(cells)
                said = "differs: " + ", ".join(cells) if cells else "the same"
                print(f"{name:<32} {notebook.stem:<34} {took:4.0f} s  {said}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
