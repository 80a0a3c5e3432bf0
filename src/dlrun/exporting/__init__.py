"""A trained model in, a file that runs without dlrun out: Keras, SavedModel, ONNX, or TensorFlow Lite."""
