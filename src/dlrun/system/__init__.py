"""What dlrun needs of the operating system: durable files, memory, network, other processes, the user's folders."""
