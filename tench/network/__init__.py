"""The network on TensorFlow: backbone, its cut into trunk and tail, head, classifier, saving."""
