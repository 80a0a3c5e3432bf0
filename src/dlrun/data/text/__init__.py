"""Read texts from files, split them into tokens, and store them as token ids."""
