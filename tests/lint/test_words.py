"""words.py reports banned words in prose, but not in names, quoted tests or allowed phrases."""

import pytest
from words import findings, read_rules

RULES = read_rules()


@pytest.mark.parametrize(
    ("text", "suffix", "words"),
    [
        ("The model says of each picture", ".md", ["picture", "model says", "says of"]),
        ("bear in mind: behind a proxy", ".md", []),
        ("`test_corruption_dvc.py::test_mend`", ".md", []),
        ("picture = 1  # anew", ".py", ["anew"]),
        ("<p>Pictures</p>", ".html", ["Pictures"]),
    ],
)
def test_banned_words_are_found(text: str, suffix: str, words: list[str]) -> None:
    assert sorted(word for _, word, _ in findings(text, suffix, RULES)) == sorted(words)


def test_rules_do_not_ban_their_own_replacements() -> None:
    for rule in RULES:
        for word in rule.write.split("; "):
            assert not rule.find.fullmatch(word), (rule.find.pattern, word)
