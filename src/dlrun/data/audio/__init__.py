"""Datasets of sound: waveforms, their spectrograms, and how to read them again for predictions."""
