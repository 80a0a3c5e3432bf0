"""Draft a config for a series: its season, the forecasts measured on its training span, and what wins."""
