"""All checks, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dlrun.gpu_check import libraries, memory, precision, recurrent, resuming, several
from dlrun.gpu_check.check import Check, CheckPlace, CheckVerdict, Found

MAIN = "dlrun.gpu_check.main"

PROGRAMS: Mapping[str, Callable[[CheckPlace], Found]] = {
    "libraries": libraries.measure_libraries,
    "growth": libraries.measure_growth,
    "auto": precision.measure_auto,
    "scores": precision.measure_scores,
    "overflow": precision.measure_overflow,
    "xla": precision.measure_xla,
    "layers": recurrent.measure_layers,
    "masks": recurrent.measure_masks,
    "limit": memory.measure_limit,
    "replicas": several.measure_replicas,
    "batch": several.measure_batch,
    "resume": resuming.measure_resume,
    "export": recurrent.measure_export,
}


def _check(key: str, name: str, judge: Callable[[Found], CheckVerdict], *, seconds: int = 120) -> Check:
    return Check(name, ("-m", MAIN, key), judge, seconds)


def _needing(hindrance: Callable[[CheckPlace], str], check: Check) -> Check:
    return Check(check.name, check.program, check.judge, check.seconds, hindrance)


_LIBRARIES = _check("libraries", "driver, CUDA, cuDNN", libraries.judge_libraries, seconds=60)
CHECKS: tuple[Check, ...] = (
    Check(_LIBRARIES.name, _LIBRARIES.program, _LIBRARIES.judge, _LIBRARIES.seconds, is_gate=True),
    _check("growth", "memory growth", libraries.judge_growth, seconds=60),
    _check("auto", "precision: auto", precision.judge_auto, seconds=60),
    _check("scores", "bfloat16 and float16 against float32", precision.judge_scores, seconds=180),
    _check("overflow", "overflow under loss scaling", precision.judge_overflow, seconds=60),
    _check("xla", "XLA on and off", precision.judge_xla, seconds=240),
    _check("layers", "cuDNN against the CPU, masks included", recurrent.judge_layers),
    _check("masks", "masked and empty sequences", recurrent.judge_masks),
    _needing(memory.need_gpu, _check("limit", "out of memory", memory.judge_limit, seconds=180)),
    _needing(several.need_two, _check("replicas", "two devices against one", several.judge_replicas)),
    _check("batch", "batch: forks, one run on each GPU", several.judge_batch, seconds=180),
    _check("resume", "kill and resume, deterministic", resuming.judge_resume, seconds=240),
    _needing(recurrent.need_onnx, _check("export", "export to ONNX", recurrent.judge_export)),
)
"""What `make gpu` checks before it measures speed."""

_OF_DOCTOR = ("libraries", "growth", "auto", "overflow", "layers", "replicas", "batch")
DOCTOR_CHECKS = tuple(check for check in CHECKS if check.program[-1] in _OF_DOCTOR)
"""What `dlrun doctor --gpu` checks: whether this installation works, in about two minutes."""
