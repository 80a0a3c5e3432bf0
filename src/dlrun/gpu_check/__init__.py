"""Check on real GPUs what else only runs on the CPU of whoever develops dlrun: `dlrun doctor --gpu`, `make gpu`."""
