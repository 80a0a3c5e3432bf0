"""Recurrent networks for sequences: rnn, gru and lstm."""
