"""The dataset type series: rows in time order, read as windows."""
