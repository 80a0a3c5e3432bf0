"""What dlrun needs from the operating system: durable files, memory, network, processes, the user's folders."""
