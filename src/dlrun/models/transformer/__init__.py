"""The transformer encoder, and the layers that only it has."""
