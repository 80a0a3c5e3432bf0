"""An LSTM layer with TensorFlow's fused CPU kernel, which computes the whole sequence in one operation.

On a CPU it is two to three times as fast as the loop over steps that Keras builds, and equal up to rounding. TensorFlow
has the kernel (`BlockLSTM`) and its gradient, but Keras does not use them. `BlockLSTMV2` has the gate order of Keras,
but TensorFlow 2.21 registers the gradient of the first version for it, which expects another order, so its gradients
are wrong.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from dlrun.system.keras_internals import all_layers

if TYPE_CHECKING:
    import keras


@functools.cache
def block_lstm() -> type[keras.layers.LSTM]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class BlockLSTM(keras.layers.LSTM):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """The LSTM of Keras with the same arguments, variables and formula, but faster on a CPU.

        `use_block_kernel` enables the fused kernel where it applies: tanh and sigmoid, float32, no mask, no recurrent
        dropout. It is off by default because neither XLA nor the exporters support the operation.
        """

        use_block_kernel = False

        def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002, Keras calls it so
            """Compute all steps of `sequences`; overrides `keras.layers.RNN.inner_loop`."""
            if not (self.use_block_kernel and mask is None and self._fits()):
                return super().inner_loop(sequences, initial_state, mask=mask, training=training)
            if training and self.dropout:
                # The cell of Keras uses the same dropout mask for all steps.
                sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
            return _block(self, sequences, initial_state)

        def _fits(self) -> bool:
            activations = (self.activation, self.recurrent_activation)
            return (
                activations == (keras.activations.tanh, keras.activations.sigmoid)
                and self.use_bias
                and not self.recurrent_dropout
                and not self.unroll
                and self.compute_dtype == "float32"
            )

    return BlockLSTM


def use_block_kernels(model: keras.Model, *, on: bool) -> None:
    """Choose whether the recurrent layers of `model` use the fused kernel in graphs that are traced from now on."""
    for layer in all_layers(model):
        if isinstance(layer, block_lstm()):
            layer.use_block_kernel = on


def _block(layer: Any, sequences: Any, initial_state: Any) -> Any:
    """Run the fused kernel.

    Shape:
        sequences: `(batch, steps, width)`. Result: the last output `(batch, units)`, all outputs
        `(batch, steps, units)`, and the last state as [h, c].
    """
    import tensorflow as tf

    def gates(weights: Any) -> Any:
        # Gate order in Keras: input, forget, cell, output. In the kernel: input, cell, forget, output.
        i, f, c, o = tf.split(weights.value, 4, axis=-1)
        return tf.concat([i, c, f, o], axis=-1)

    # The kernel expects time-major input.
    cell, inputs = layer.cell, tf.transpose(sequences, [1, 0, 2])
    if layer.go_backwards:
        inputs = tf.reverse(inputs, axis=[0])
    # The kernel requires peephole weights even with use_peephole=False, which ignores them.
    peephole = tf.zeros([cell.units])
    block = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.shape(inputs, out_type=tf.int64)[0],
        x=inputs,
        h_prev=initial_state[0],
        cs_prev=initial_state[1],
        w=tf.concat([gates(cell.kernel), gates(cell.recurrent_kernel)], axis=0),
        wci=peephole,
        wcf=peephole,
        wco=peephole,
        b=gates(cell.bias),
        forget_bias=0.0,  # Keras includes it in the bias
        cell_clip=-1.0,  # disables clipping
        use_peephole=False,
    )
    outputs = tf.transpose(block.h, [1, 0, 2])
    return block.h[-1], outputs, [block.h[-1], block.cs[-1]]
