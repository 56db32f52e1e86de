"""raw: check that the folder data.raw names is there, before prepare needs it.

In:  data.raw.
Out: data/raw.txt, that name. (The folders that data/dvc.yaml makes itself are not looked for.)
"""

from pathlib import Path

from tench.cli import TenchError, run_stage
from tench.params import load_params

MADE = {"data/imagenette", "data/sample"}
OUT = Path("data/raw.txt")


def check_raw(raw: str) -> None:
    """Raise TenchError if the folder is missing."""
    if Path(raw).as_posix() in MADE or Path(raw).is_dir():
        return
    raise TenchError(
        f"params.yaml: data.raw = {raw}: no such folder here ({Path.cwd()}). Three ways on:\n"
        "  1. your own pictures: set data.raw to a folder with train/CLASS/ and val/CLASS/; for\n"
        "     `dvc exp run --temp` and the queue, `dvc add` it or give its absolute path\n"
        "  2. Imagenette: set data.raw to data/imagenette, which dvc repro fetches\n"
        "  3. the drawn sample: set data.raw to data/sample, which needs no network"
    )


def main() -> None:
    raw = load_params().data.raw
    check_raw(raw)
    OUT.write_text(f"{raw}\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
