import pytest

from dlrun.models.linear import Linear
from dlrun.signature import Features, Target

IMAGE = Features("image", (4, 4, 1))


CLASSES = Target("classes", 3)


@pytest.mark.tensorflow
def test_head_applies_the_targets_activation() -> None:
    import numpy as np

    model = Linear().build(IMAGE, CLASSES.with_encoding("one_hot", "softmax"))
    np.testing.assert_allclose(np.sum(model(np.ones((2, 4, 4, 1))), axis=1), 1, rtol=1e-5)
