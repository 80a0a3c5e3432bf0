"""Print what would train the runs of a batch elsewhere: Slurm's scripts, or a Kubernetes manifest."""

from __future__ import annotations

import sys

from dlrun.batching.batch import BatchOptions
from dlrun.batching.dry_run import job_manifest, write_scripts
from dlrun.cli.display.terminal import tell


def show_scripts(wanted: BatchOptions, *, quiet: bool) -> None:
    """Print the scripts to stdout, and where they are to stderr.

    Args:
        wanted: The batch.
        quiet: Whether to leave out what goes to stderr.
    """
    if wanted.placement.on == "job-yaml":
        sys.stdout.write(job_manifest(wanted))
        return
    written = write_scripts(wanted)
    for path in written.paths:
        sys.stdout.write(path.read_text(errors="surrogateescape"))
    if quiet:
        return
    if written.note:
        tell(f"warning    {written.note}")
    for path in written.paths:
        tell(f"dry run    {path} is written and not submitted")
    if not written.paths:
        tell("dry run    every run is complete")
