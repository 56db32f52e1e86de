"""split: hold out the validation and the test pictures, where the raw folder does not.

In:  data/prepared, metrics/prepare.json, data.val_fraction, data.test_fraction, seed.
Out: data/split/index.csv (data/prepared/pictures.csv with the side of every picture, train before
     val before test: the order every later stage goes by), data/asked/ (what data/prepared has of
     the test pictures and of some others, which is all that evaluate and export look at),
     metrics/split.json (how many pictures each side has of every class), metrics/examples.jpg
     (some of every class).
"""

from tench.console.stage import run_stage
from tench.core.files import read_json, whole, whole_folder, write_json
from tench.core.names import SPLITS
from tench.core.params import Data, load_params
from tench.core.paths import ASKED, COUNTS, EXAMPLES, INDEX, PICTURES, PREPARED, READ, SPLIT
from tench.intake.overview import contact_sheet, counts
from tench.intake.splitting import choose_sides
from tench.pictures.asked import asked, write_asked
from tench.pictures.index import Row, read_index, write_index


def split(pictures: list[Row], data: Data, seed: int) -> list[Row]:
    """The pictures with their sides, train before val before test."""
    fractions = {"test": data.test_fraction, "val": data.val_fraction}
    sides = choose_sides(pictures, [row.sha256 for row in pictures], fractions, seed)
    rows = [row._replace(split=side) for row, side in zip(pictures, sides, strict=True)]
    return sorted(rows, key=lambda row: SPLITS.index(row.split))


def main() -> None:
    params = load_params()
    rows = split(read_index(PICTURES), params.data, params.seed)
    with whole_folder(SPLIT) as part:
        write_index(rows, part / INDEX.name)
    with whole_folder(ASKED) as part:
        write_asked(asked(rows), part)
    write_json(counts(rows, read_json(READ)["rejected"]), COUNTS)
    with whole(EXAMPLES) as image:
        contact_sheet(rows, PREPARED).save(image, quality=85)


if __name__ == "__main__":
    run_stage(main, [SPLIT, ASKED, COUNTS, EXAMPLES])
