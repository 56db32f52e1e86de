"""raw: check that the folder data.raw exists, is readable, and stays out of git.

In:  data.raw.
Out: data/raw.txt: the name of that folder. In the temporary folder of an experiment, also a link to
     the folder in its checkout.

Folders that stages of data/dvc.yaml create need not exist yet.
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
    """Raise TenchError if the folder is missing here and in the experiment's checkout, contains
    unreadable entries, or has images that git would commit."""
    folder = Path(raw)
    created_by_stage = folder in {paths.IMAGENETTE, paths.SAMPLE}
    if not created_by_stage:
        check_private(folder, find_checkout())
    if folder.is_dir() or (not created_by_stage and link_from_checkout(folder)):
        check_raw_tree(folder)
    if created_by_stage or folder.is_dir():
        return
    raise TenchError(
        f"{paths.PARAMS}: data.raw = {raw}: {missing_folder_reason(folder)} ({Path.cwd()}). "
        "Set data.raw to one of these:\n"
        "  1. your own images: a folder in one of the layouts below\n"
        f"  2. Imagenette: {paths.IMAGENETTE}, which dvc repro fetches\n"
        f"  3. the drawn sample: {paths.SAMPLE}, which needs no network\n"
        f"{LAYOUT_HELP}"
    )


def main() -> None:
    raw = load_params().data.raw
    check_raw_folder(raw)
    write_text(f"{raw}\n", paths.RAW)


if __name__ == "__main__":
    run_stage(main, [paths.RAW])
