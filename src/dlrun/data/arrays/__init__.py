"""The dataset type `arrays`: named arrays of an npz file."""
