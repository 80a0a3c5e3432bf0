"""Exclusive rights to a folder that hold between machines: on a network file system, without locks of the system."""
