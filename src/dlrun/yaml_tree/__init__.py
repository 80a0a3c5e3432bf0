"""Parse YAML into a tree of nodes that know their line and column."""
