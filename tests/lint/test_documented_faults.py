"""docs/faults.md names only tests that exist, in the files that it names."""

import re

from pipeline_clones import CHECKOUT


def test_documented_tests_exist() -> None:
    text = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8")
    sources = {file.name: file.read_text("utf-8") for file in CHECKOUT.glob("tests/*/**/test_*.py")}
    named = re.findall(r"`(test_\w+\.py|…)::(test_\w+)`", text)
    assert len(named) > 30
    file = ""
    for other, name in named:
        file = file if other == "…" else other
        assert re.search(rf"^def {name}\(", sources[file], re.MULTILINE), (file, name)
    alone = set(re.findall(r"(?<!::)`(test_\w+)`", text))
    tests = set(re.findall(r"^def (test_\w+)\(", "\n".join(sources.values()), re.MULTILINE))
    assert alone <= tests, alone - tests
    files = set(re.findall(r"\btest_\w+\.py\b", text))
    assert files <= set(sources), files - set(sources)
