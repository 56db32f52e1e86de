"""Load an exported classifier and predict with LiteRT or ONNX Runtime."""
