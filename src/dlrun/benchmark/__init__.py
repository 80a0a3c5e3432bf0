"""How fast a spec trains under each precision, with and without XLA."""
