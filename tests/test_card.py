"""The model card of many classes."""

import shutil
from pathlib import Path

from clones import CHECKOUT
from reports import exports

from tench.core import paths
from tench.core.files import read_json, write_json
from tench.core.params import load_params
from tench.exported.folder import Trust
from tench.exporting.card import write_card


def test_a_card_names_a_hundred_classes_and_says_how_many_there_are(made: Path) -> None:
    counts = read_json(paths.COUNTS)
    for split in ("train", "val", "test"):
        counts[split] |= {"seen_by_backbone": 0}
    write_json(counts | {"rejected": 0}, paths.COUNTS)
    shutil.copy(CHECKOUT / paths.PACKAGES, paths.PACKAGES)
    trust = Trust(0.9, 0.99, 0.4)
    cards = []
    for count in (3, 100, 1000):
        names = [f"class_{n:04d}" for n in range(count)]
        write_card(load_params(), names, trust, exports(), made)
        cards.append((made / "README.md").read_text(encoding="utf-8"))
    assert "\nClasses: class\\_0000, class\\_0001, class\\_0002.\n" in cards[0]
    assert ", class\\_0099.\n" in cards[1]
    assert ", class\\_0099 and 900 more, which `model.json` names.\n" in cards[2]
    assert "# Classifier of 1000 classes" in cards[2]
