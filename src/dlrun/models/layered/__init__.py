"""Models that a spec writes as Keras layers: sequential and graph."""
