"""Train runs on a Ray cluster: one task for each run. Ray is imported only when a cluster is asked for."""
