"""Convert models to ONNX, with Keras' string layers as standard operations."""
