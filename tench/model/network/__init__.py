"""The Keras network: backbone, frozen base, trainable top, head, classifier, saving."""
