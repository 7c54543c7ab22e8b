"""Strict nbval in several regimes of one machine, naming cells that differ: `python benchmarks/portable.py notebooks`.

A regime is an environment: how many threads, and which instructions torch's libraries may use. Those that the
processor lacks run as the best below them, so the list is the same everywhere.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
AVX512 = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512", "MKL_ENABLE_INSTRUCTIONS": "AVX512"}
REGIMES = {  # without hardware for it, precision "auto" is float32: LATENTLAB_BFLOAT16=0 says there is none
    "one thread, as the machine is": {"OMP_NUM_THREADS": "1"},
    "two threads, as the machine is": {"OMP_NUM_THREADS": "2"},
    "one thread, AVX2, float32": {"OMP_NUM_THREADS": "1", "LATENTLAB_BFLOAT16": "0", **AVX2},
    "two threads, AVX2, float32": {"OMP_NUM_THREADS": "2", "LATENTLAB_BFLOAT16": "0", **AVX2},
    "one thread, AVX-512, float32": {"OMP_NUM_THREADS": "1", "LATENTLAB_BFLOAT16": "0", **AVX512},
}


def nbval(notebook: Path, regime: dict[str, str]) -> list[str]:
    """The cells that differ from the stored outputs."""
    rules = [
        "--nbval-sanitize-with",
        str(ROOT / "tests/nbval_sanitize.cfg"),
        "-p",
        "no:cacheprovider",
        "-q",
        "--color=no",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        str(notebook),
        "--nbval-current-env",
        "--nbval-cell-timeout=600",
        *rules,
    ]
    done = subprocess.run([*command, *rules], env=os.environ | regime, cwd=ROOT, capture_output=True, text=True)
    cells = re.findall(r"^FAILED \S+::(Cell \d+)", done.stdout, re.MULTILINE)
    return cells or ([] if done.returncode == 0 else [done.stdout[-300:]])


def main() -> int:
    paths = [Path(argument) for argument in sys.argv[1:]] or [ROOT / "notebooks"]
    notebooks = [n for path in paths for n in (sorted(path.glob("*.ipynb")) if path.is_dir() else [path])]
    failed = 0
    for notebook in notebooks:
        for name, regime in REGIMES.items():
            cells = nbval(notebook, regime)
            failed += bool(cells)
            print(
                f"{notebook.stem:<34} {name:<32} {'differs: ' + ', '.join(cells) if cells else 'the same'}", flush=True
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
