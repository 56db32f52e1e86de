"""Keras baseline: the pipeline's training as a notebook would have it, without Tench.

    python -m benchmarks.keras_baseline [--raw data/imagenette] [--weights FILE] ...

Every epoch decodes all images and runs the whole network. The test set is a fifth of the validation
batches, as in TensorFlow's transfer-learning tutorial. As there, the data set is shuffled at each
pass, so the fifth changes. No choice depends on these scores, so they stay comparable.

The last line of the output is JSON: history, test scores, seconds.
"""

import time

import keras
import tensorflow as tf

from benchmarks.options import parse_arguments, print_results


def main() -> None:
    args = parse_arguments(__doc__)
    started = time.perf_counter()
    keras.utils.set_random_seed(args.seed)

    def load(part: str) -> tf.data.Dataset:
        return keras.utils.image_dataset_from_directory(
            f"{args.raw}/{part}",
            label_mode="int",
            image_size=(args.image_size, args.image_size),
            batch_size=args.batch_size,
            seed=args.seed,
        )

    train_ds, val_ds = load("train"), load("val")
    classes = len(train_ds.class_names)
    fifth = int(val_ds.cardinality()) // 5
    test_ds = val_ds.take(fifth).prefetch(tf.data.AUTOTUNE)
    val_ds = val_ds.skip(fifth).prefetch(tf.data.AUTOTUNE)
    train_ds = train_ds.prefetch(tf.data.AUTOTUNE)

    shape = (args.image_size, args.image_size, 3)
    base = keras.applications.MobileNetV2(input_shape=shape, include_top=False, weights=None)
    base.load_weights(args.weights)
    base.trainable = False
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(args.dense_units, activation="relu")(x)
    x = keras.layers.Dropout(args.dropout)(x)
    outputs = keras.layers.Dense(classes, activation=args.activation)(x)
    model = keras.Model(inputs, outputs)

    def compile_model(learning_rate: float) -> None:
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=["accuracy"],
        )

    compile_model(args.learning_rate)
    first = model.fit(train_ds, validation_data=val_ds, epochs=args.epochs, verbose=2)
    frozen = model.evaluate(test_ds, verbose=2, return_dict=True)

    base.trainable = True
    for layer in base.layers[: args.fine_tune_at]:
        layer.trainable = False
    compile_model(args.fine_tune_learning_rate)
    second = model.fit(
        train_ds,
        validation_data=val_ds,
        initial_epoch=args.epochs,
        epochs=args.epochs + args.fine_tune_epochs,
        verbose=2,
    )
    finetuned = model.evaluate(test_ds, verbose=2, return_dict=True)

    history = {name: first.history[name] + second.history[name] for name in first.history}
    print_results(history, frozen, finetuned, time.perf_counter() - started)


if __name__ == "__main__":
    main()
