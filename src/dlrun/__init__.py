"""Train, evaluate and record Keras models from one YAML file."""
