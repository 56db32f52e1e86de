"""docs/faults.md names tests: that each is there, in the file it is said to be in."""

import re

from pipeline_clones import CHECKOUT


def test_every_test_that_is_named_is_there() -> None:
    text = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py|…)::(test_\w+)`", text)
    assert len(named) > 30
    file = ""
    for other, name in named:
        file = file if other == "…" else other
        source = (CHECKOUT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), (file, name)
