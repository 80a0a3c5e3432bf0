"""Keras' own components as a table that a script makes from Keras, so that none is declared twice."""
