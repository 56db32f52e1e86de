"""raw: check that the folder data.raw names is there, can be read, and stays out of git.

In:  data.raw.
Out: data/raw.txt, that name. (The folders that data/dvc.yaml makes itself are not looked for.) In
     the temporary folder of an experiment, a link to the folder of the checkout it belongs to.
"""

from pathlib import Path

from tench.core import paths
from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.core.params import load_params
from tench.data.ingest.file_rules import check_raw_tree
from tench.data.ingest.layouts import LAYOUT_HELP, missing_folder_reason
from tench.data.ingest.privacy import check_private
from tench.data.sources.checkout_link import find_checkout, link_from_checkout
from tench.run.runner import run_stage


def check_raw_folder(raw: str) -> None:
    """Raise TenchError if the folder is missing, here and in the checkout it may be linked from,
    holds what nobody can read, or has images that git would commit."""
    folder = Path(raw)
    made = folder in {paths.IMAGENETTE, paths.SAMPLE}
    if not made:
        check_private(folder, find_checkout())
    if folder.is_dir() or (not made and link_from_checkout(folder)):
        check_raw_tree(folder)
    if made or folder.is_dir():
        return
    raise TenchError(
        f"{paths.PARAMS}: data.raw = {raw}: {missing_folder_reason(folder)} ({Path.cwd()}). Three ways on:\n"
        "  1. your own images: set data.raw to a folder in one of the layouts below\n"
        f"  2. Imagenette: set data.raw to {paths.IMAGENETTE}, which dvc repro fetches\n"
        f"  3. the drawn sample: set data.raw to {paths.SAMPLE}, which needs no network\n"
        f"{LAYOUT_HELP}"
    )


def main() -> None:
    raw = load_params().data.raw
    check_raw_folder(raw)
    write_text(f"{raw}\n", paths.RAW)


if __name__ == "__main__":
    run_stage(main, [paths.RAW])
