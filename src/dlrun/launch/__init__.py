"""One model trained by several processes of one machine."""
