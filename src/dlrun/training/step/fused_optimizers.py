"""Use TensorFlow's fused kernels in Keras' optimizers: the same formula, with one operation per variable.

Keras computes an update in about a dozen operations per variable. For small models the fixed cost of each operation is
most of the time of a step, so one fused kernel makes the whole training faster.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from dlrun.system.keras_internals import adam_moments, momentum_of


def _handle(variable: Any) -> Any:
    """Return the resource of a Keras variable, or of the TensorFlow variable that Keras passes to `update_step`."""
    return getattr(variable, "value", variable).handle if isinstance(variable, keras.Variable) else variable.handle


class _FusedAdam(keras.optimizers.Adam):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Keras' Adam, with its update in one kernel."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable.

        Formula:
            m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
            w = w - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)

        Reference:
            Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization", section 2.
        """
        # The kernel has neither AMSGrad nor the sparse gradients of an embedding: Keras computes those.
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        dtype, (mean, square) = variable.dtype, adam_moments(self, variable)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(mean),
            v=_handle(square),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


class _FusedAdamW(_FusedAdam, keras.optimizers.AdamW):  # type: ignore[misc, unused-ignore]
    """Keras' AdamW: Keras applies the decay before the update, and the update itself is Adam's."""


class _FusedSGD(keras.optimizers.SGD):  # type: ignore[misc, unused-ignore]
    """Keras' SGD, with its update in one kernel."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable.

        Formula:
            w = w - rate g; with momentum, a = momentum a - rate g and w = w + a, or for Nesterov momentum
            w = w + momentum a - rate g
        """
        if isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        rate, gradient = tf.cast(learning_rate, dtype), tf.cast(gradient, dtype)
        if not self.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=_handle(variable), alpha=rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=_handle(variable),
            accum=_handle(momentum_of(self, variable)),
            lr=rate,
            grad=gradient,
            momentum=tf.constant(self.momentum, dtype),
            use_nesterov=self.nesterov,
        )


_FUSED = {
    keras.optimizers.Adam: _FusedAdam,
    keras.optimizers.AdamW: _FusedAdamW,
    keras.optimizers.SGD: _FusedSGD,
}


def fuse(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer with fused updates, if TensorFlow has a kernel for it; else return it unchanged.

    Only the class of the object changes. Its learning rate schedule stays in it, since Keras cannot copy a schedule
    that dlrun defines.
    """
    if kind := _FUSED.get(type(optimizer)):
        optimizer.__class__ = kind
    return optimizer
