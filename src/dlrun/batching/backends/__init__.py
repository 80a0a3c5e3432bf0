"""Where runs are trained: on this machine, or on a cluster that others maintain."""
