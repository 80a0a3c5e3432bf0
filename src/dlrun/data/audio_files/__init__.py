"""Read the headers of sound files, and decode them to waveforms of one sampling rate and length."""
