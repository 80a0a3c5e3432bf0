"""The dataset type `series`: rows in time order, from which windows are read."""
