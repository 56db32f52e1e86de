"""Comparison with the paper, and statements on images seen in pretraining."""

import hashlib
from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT, set_params
from report_project import make_export_metrics, make_scores

from tench.core import origins, paths
from tench.core.files import read_json, write_csv, write_json, write_text
from tench.core.params import Params, load_params
from tench.data.index import Row, seen_with
from tench.deploy.runtime.export_folder import Thresholds
from tench.export.card import write_card
from tench.report.lock.parameters import flatten
from tench.report.page.contents import report_contents
from tench.report.page.paper import RECIPE, is_recipe
from tench.report.page.publish import render_page

IMAGES = [(f"train/n01440764/n01440764_{n}.JPEG", f"{n:064d}") for n in range(9)]
# Another value of every parameter that changes what is trained, and some values beside the paper's
# that the report accepts.
OTHER = {
    "class_weights": "balanced",
    "data.groups": r"(patient\d+)",
    "data.image_size": 224,
    "data.resize": "crop",
    "data.test_fraction": 0.3,
    "backbone.name": "EfficientNetV2B0",
    "backbone.weights": "random",
    "extract_train.solver": "logistic",
    "extract_train.dense_units": 128,
    "extract_train.dropout": 0.3,
    "extract_train.activation": "softmax",
    "extract_train.learning_rate": 2e-4,
    "extract_train.batch_size": 64,
    "extract_train.epochs": 2,
    "extract_train.min_steps_per_epoch": 2,
    "extract_train.patience": 2,
    "finetune.fine_tune_at": 131,
    "finetune.learning_rate": 1e-5,
    "finetune.batch_size": 16,
    "finetune.epochs": 2,
    "finetune.min_steps_per_epoch": 300,
    "finetune.patience": 1,
}
FREE = {
    "seed": 1,
    "data.raw": "elsewhere",
    "data.val_fraction": 0.3,
    "data.max_rejected": 0.5,
    "backbone.weights": "imagenet-160",
    "backbone.cache_at": "auto",
    "backbone.engine": "litert",
    "audit.near_duplicate": 0.9,
    "audit.max_leaks": 3,
    "finetune.ema": False,
    "export.max_accuracy_drop": 0.1,
    "export.target_accuracy": 0.9,
    "baseline.learning_rate": 0.1,
    "baseline.batch_size": 8,
    "data.classes.n01440764": "tench",
}
NUMBERED = ("Table I", "Figure 8", "Figure 10", "Figure 11", "Figure 12", "(ours)", "(paper)")


@pytest.fixture
def papers(report_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose images count as Imagenette, of ten classes."""
    write_csv(("source", "sha256"), IMAGES, paths.INDEX)
    text = "".join(f"{source} {digest}\n" for source, digest in sorted(IMAGES))
    monkeypatch.setattr(origins, "IMAGENETTE", hashlib.sha256(text.encode()).hexdigest())
    counts = read_json(paths.SPLIT_METRICS)
    for split in ("train", "val", "test"):
        counts[split] |= {"seen_by_backbone": 2}
    write_json({"kept_epoch": 5}, paths.FINETUNE_SCORES)
    write_json(counts | {"classes": 10, "rejected": 0}, paths.SPLIT_METRICS)
    return report_project


def page() -> str:
    """The report's page of what lies in metrics/."""
    return " ".join(render_page(report_contents(load_params())).split())


def card(folder: Path) -> str:
    """The model card of what lies in metrics/."""
    write_text((CHECKOUT / paths.PACKAGES).read_text(encoding="utf-8"), paths.PACKAGES)
    write_card(load_params(), ["a", "b"], Thresholds(0.9, 0.99, 0.4), make_export_metrics(), folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def changed(params: Params, key: str, value: object) -> Params:
    """The parameters with another value of one."""
    content = params.model_dump()
    *sections, name = key.split(".")
    place = content
    for section in sections:
        place = place[section]
    place[name] = value
    return Params.model_validate(content)


def test_every_parameter_belongs_to_the_recipe_or_not() -> None:
    keys = {".".join(key) for key in flatten(load_params(CHECKOUT / paths.PARAMS).model_dump())}
    keys = {key for key in keys if not key.startswith("data.classes.")} | {"data.classes.n01440764"}
    assert RECIPE.keys() | FREE.keys() == keys
    assert OTHER.keys() <= RECIPE.keys()
    assert RECIPE.keys() - OTHER.keys() == {"finetune.ema"}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        *((key, value, False) for key, value in OTHER.items()),
        *((key, value, True) for key, value in FREE.items()),
    ],
)
def test_a_run_is_the_papers_by_every_parameter_of_its_recipe(
    key: str, value: object, expected: bool
) -> None:
    params = load_params(CHECKOUT / paths.PARAMS)
    assert is_recipe(params, 10)
    assert is_recipe(changed(params, key, value), 10) is expected
    assert not is_recipe(params, 9)  # data.classes merges two


def test_the_papers_figures_are_beside_a_run_of_its_recipe_on_its_data(papers: Path) -> None:
    text = page()
    assert [word for word in NUMBERED if word not in text] == []


@pytest.mark.parametrize(
    "other",
    [
        *({key: value} for key, value in OTHER.items() if key != "data.groups"),
        {"an image": "another"},
        {"an image": "missing"},
        {"an image": "added"},
        {"an image": "moved"},
        {"classes": 9},
    ],
    ids=str,
)
def test_no_figure_of_the_paper_is_beside_any_other_run(
    papers: Path, other: dict[str, object]
) -> None:
    last, digest = IMAGES[-1]
    images = {
        "another": [*IMAGES[:-1], (last, "f" * 64)],
        "missing": IMAGES[:-1],
        "added": [*IMAGES, ("val/n01440764/mine.JPEG", "f" * 64)],
        "moved": [*IMAGES[:-1], (last.replace("train", "val"), digest)],
    }
    if "an image" in other:
        write_csv(("source", "sha256"), images[str(other["an image"])], paths.INDEX)
    elif "classes" in other:
        write_json(read_json(paths.SPLIT_METRICS) | other, paths.SPLIT_METRICS)
    else:
        set_params(papers, other)
    text = page()
    assert [word for word in (*NUMBERED, "Table", "Figure ") if word in text] == []


def test_a_digest_is_of_images_in_any_order_under_any_class(report_project: Path) -> None:
    rows = [(source, digest, "x") for source, digest in IMAGES]
    write_csv(("source", "sha256", "class_name"), rows, paths.INDEX)
    digest = origins.content_digest()
    write_csv(
        ("class_name", "source", "sha256"),
        [("y", a, b) for a, b in IMAGES[::-1]],
        report_project / "x",
    )
    assert digest == origins.content_digest(report_project / "x") != ""
    assert origins.content_digest(most=8) == ""


def test_of_imagenette_report_and_card_state_what_the_backbone_has_seen(papers: Path) -> None:
    text, card_text = page(), card(papers)
    assert "of the test images were among those the backbone was trained on" in text
    assert "2 of the 3 test images were among those the backbone was trained on" in card_text
    assert "not used to train the backbone" in card_text
    for words in ("If they are those images", "named like"):
        assert words not in text + card_text


def test_other_images_with_such_names_are_called_a_guess(papers: Path) -> None:
    write_csv(("source", "sha256"), IMAGES[:-1], paths.INDEX)
    text, card_text = page(), card(papers)
    for one in (text, card_text):
        assert "If they are those images, the backbone was trained on them" in one
        assert "named like those the backbone was trained on" in one
    for words in ("were among those", "not seen", "in pretraining", "never "):
        assert words not in card_text.split("## Scores")[1].split("## Data")[0]
        assert words not in text.split('id="summary"')[1].split('id="training"')[0]


@pytest.mark.parametrize("weights", ["random", "mine.weights.h5", "imagenet-mine.weights.h5"])
def test_images_seen_by_other_weights_are_not_reported(papers: Path, weights: str) -> None:
    set_params(papers, {"backbone.weights": weights})
    assert not origins.learned_from_imagenet(weights)
    rows = [Row("a", "test", 0, "a", *IMAGES[0], "", seen, seen) for seen in (0, 1)]
    assert [row.seen for row in seen_with(rows, "imagenet")] == [0, 1]
    assert [row.seen for row in seen_with(rows, weights)] == [0, 0]
    write_json(make_scores(), paths.SCORES)  # no groups: no image counts as seen
    text = page().split('id="summary"')[1].split('id="training"')[0]
    assert "trained on" not in text
    assert "ImageNet" not in text
    card_text = card(papers).split("The weakest classes")[0]
    assert "were among those" not in card_text
    assert "ImageNet" not in card_text.split("## Scores")[1]


@pytest.mark.parametrize("weights", ["imagenet", "imagenet-160", "imagenet-224"])
def test_weights_of_imagenet_may_have_seen_its_images(weights: str) -> None:
    assert origins.learned_from_imagenet(weights)
