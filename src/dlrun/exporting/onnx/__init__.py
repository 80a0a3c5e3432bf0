"""ONNX: the conversion, and Keras' string layers as standard operations."""
