"""sample: generate ten classes with 40 training and 20 validation images each.

In:  only the code.
Out: data/sample/{train,val}/WORDNET-ID/NAME.jpg, equal bytes on every run with the same version of
     Pillow. An unchanged older sample is replaced; a changed or other folder is refused.
"""

from pathlib import Path

from tench.core import paths
from tench.core.files import atomic_folder
from tench.data.sample.dataset import draw_dataset
from tench.data.sources.generated_folder import (
    is_missing_or_empty,
    is_unchanged_since_marked,
    occupied_folder_error,
    write_marker,
)
from tench.run.runner import run_stage


def draw_sample(out: Path) -> None:
    """Write the sample to `out`. Raises TenchError if `out` has other content than a sample."""
    if not (is_missing_or_empty(out) or is_unchanged_since_marked(out)):
        raise occupied_folder_error(out, "this is not the sample as it was drawn", "the sample")
    with atomic_folder(out) as part:
        draw_dataset(part)
        write_marker(part)


def main() -> None:
    draw_sample(paths.SAMPLE)


if __name__ == "__main__":
    run_stage(main, [paths.SAMPLE])
