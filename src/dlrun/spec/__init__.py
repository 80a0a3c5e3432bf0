"""The spec: YAML text in, a checked and complete `Spec` out; TensorFlow is never imported here."""
