"""Go through the fault matrix: rows that have passed with this seed are left out.

    python -m faults [--seed N] [--row ID ...] [--list]

`make test-faults SEED=1 ROW=node-lost` does so on the local cluster, and writes the page of the
results. Exit status 1: a row failed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from machine import machine

from faults import results
from faults.rows import ROWS, Layer, Row


def main() -> int:
    """Run what is left, and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="decides what chance decides; 0")
    parser.add_argument("--row", nargs="*", default=[], help="only these, passed before or not")
    parser.add_argument("--list", action="store_true", help="tell the rows, and run nothing")
    arguments = parser.parse_args()
    rows = chosen(arguments.row, arguments.seed)
    if arguments.list:
        print("\n".join(f"{row.id:24}{row.layer:12}{row.fault}" for row in rows))
        return 0
    host = [row for row in rows if row.layer is not Layer.PROCESSES]
    if host:
        run_here(host, arguments.seed)
    for row in rows:
        if row.layer is Layer.PROCESSES:
            run_in_image(row, arguments.seed)
    subprocess.run([sys.executable, "tools/generate/generate.py"], cwd=results.ROOT, check=True)
    return tell(rows, arguments.seed)


def chosen(asked: Sequence[str], seed: int) -> list[Row]:
    """The rows that were asked for; by default, those that have not passed with this seed."""
    unknown = set(asked) - {row.id for row in ROWS}
    if unknown:
        raise SystemExit(f"no such row: {', '.join(sorted(unknown))}; see --list")
    done = results.passed(results.read(), seed)
    return [row for row in ROWS if (row.id in asked if asked else row.id not in done)]


def run_here(rows: Sequence[Row], seed: int) -> None:
    """One run of pytest, which records as it goes."""
    tests = list(dict.fromkeys(test for row in rows for test in row.tests))
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "faults.recording", *tests]
    subprocess.run(argv, cwd=results.ROOT, env=os.environ | {"SEED": str(seed)}, check=False)


def run_in_image(row: Row, seed: int) -> None:
    """A run of pytest in the trainer's image, which cannot write here."""
    pytest = ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    pytest += ["-c", "/src/pyproject.toml", "--rootdir", "/src"]
    tests = [f"/src/{test}" for test in row.tests]
    begin = time.monotonic()
    argv = ["tools/images/in-trainer", "--", *pytest, *tests]
    code = subprocess.run(argv, cwd=results.ROOT).returncode
    results.add(
        results.Result(
            row=row.id,
            seed=seed,
            passed=code == 0,
            seconds=round(time.monotonic() - begin, 1),
            date=results.today(),
            commit=results.commit(),
            machine=machine(),
        )
    )


def tell(rows: Sequence[Row], seed: int) -> int:
    """What failed or never ran, a line each. The exit status."""
    done = results.passed(results.read(), seed)
    wrong = [row.id for row in rows if row.id not in done]
    print(f"seed {seed}: {len(rows) - len(wrong)} of {len(rows)} rows passed", flush=True)
    for row in wrong:
        print(f"not passed: {row}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
