"""Choose and describe where a model is trained: devices, clusters of processes, and the installation."""
