"""Starter configs that `dlrun init` writes."""
