"""Export a trained model to a file that runs without dlrun: Keras, SavedModel, ONNX, or TensorFlow Lite."""
