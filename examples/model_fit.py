"""The same network through ``Model.fit``, as in Keras: what is trained, how, and who looks on.

Epochs end early when the held-out digits are read no better for some time, and the best weights come back.
"""

import argparse

import pellucid as pc


def main(epochs: int = 100, verbose: int = 1, seed: int = 0) -> float:
    """Return the share of held-out digits that are read rightly."""
    x_train, y_train, x_test, y_test = pc.data.split(*pc.data.digits(), seed=seed)
    network = pc.Sequential(
        pc.layers.Dense(64, activation="relu", name="hidden"),
        pc.layers.Dense(10, name="scores"),
    )
    model = pc.Model(network, "cross_entropy", pc.optimizers.Adam(0.003), metrics=["accuracy"], seed=seed)
    history = model.fit(
        x_train,
        y_train,
        epochs=epochs,
        batch_size=50,
        validation_split=0.1,
        callbacks=[
            pc.callbacks.ReduceLROnPlateau(factor=0.3, patience=3),
            pc.callbacks.EarlyStopping(patience=8, restore_best_weights=True),
        ],
        verbose=verbose,
    )
    print(model.summary())
    print(history)
    found = model.evaluate(x_test, y_test)
    print(f"held out: loss {found['loss']:.4f}, accuracy {found['accuracy']:.2%}")
    print("the first ten are read as", *model.predict(x_test[:10]).argmax(axis=1), "and are", *y_test[:10])
    return found["accuracy"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100, help="passes over the digits, at most")
    main(parser.parse_args().epochs)
