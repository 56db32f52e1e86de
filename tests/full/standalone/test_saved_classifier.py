"""The saved Keras classifier gives the probabilities in predictions.csv."""

import csv

import numpy as np
from pipeline_clones import FinishedRun
from small_images import read_prepared_unchecked


def test_the_shipped_classifier_gives_the_probabilities_that_were_scored(
    finished_run: FinishedRun,
) -> None:
    from tench.model.network.keras_setup import keras

    with (finished_run.folder / "metrics/predictions.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    classifier = keras.models.load_model(finished_run.folder / "models/classifier.keras")
    names = (finished_run.folder / "models/labels.txt").read_text(encoding="utf-8").splitlines()
    images = np.stack(
        [
            read_prepared_unchecked(finished_run.folder / "data/prepared" / row["path"])
            for row in rows
        ]
    )
    said = classifier.predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    assert [names[place] for place in said.argmax(axis=1)] == [row["prediction"] for row in rows]
    scored = [float(row["label_probability"]) for row in rows]
    of_label = said[np.arange(len(rows)), [names.index(row["label"]) for row in rows]]
    np.testing.assert_allclose(of_label, scored, atol=1e-5)
