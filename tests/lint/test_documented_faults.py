"""Every test that docs/faults.md names exists, in the file that it names."""

import re

from pipeline_clones import CHECKOUT


def test_every_documented_test_exists() -> None:
    text = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py|…)::(test_\w+)`", text)
    assert len(named) > 30
    file = ""
    for other, name in named:
        file = file if other == "…" else other
        (path,) = (CHECKOUT / "tests").rglob(file)
        source = path.read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), (file, name)
