"""Where a model is trained: devices, clusters of processes, and checks of the installation."""
