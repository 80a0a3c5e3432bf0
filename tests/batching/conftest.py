"""Commands as processes that can be watched, signalled and killed."""

from started_commands import records, run, start

__all__ = ["records", "run", "start"]
