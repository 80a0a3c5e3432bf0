"""The ensemble, a model that is joined from trained networks."""
