"""A model as a user writes one, in a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from dlrun import plugins
from dlrun.models import models
from dlrun.plugins import load_plugin
from dlrun.signature import Features, Target

SOURCE = '''
from pydantic import Field
from dlrun.models import Model, head, models


@models.register("wide_and_narrow")
class WideAndNarrow(Model):
    """One wide layer and one narrow one."""

    width: int = Field(default=32, ge=1, description="Width of the wide layer.")

    def build(self, features, target):
        import keras

        inputs = keras.Input(features.shape, name="features")
        tensor = keras.layers.Flatten(name="flatten")(inputs)
        tensor = keras.layers.Dense(self.width, activation="relu", name="wide")(tensor)
        tensor = keras.layers.Dense(4, activation="relu", name="narrow")(tensor)
        return keras.Model(inputs, head(tensor, target), name="wide_and_narrow")
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "my_model.py"
    file.write_text(SOURCE)
    yield load_plugin(Path("my_model.py"), beside=tmp_path)
    del models._entries["wide_and_narrow"]
    plugins._loaded.clear()


def test_plugin_model_is_listed_with_the_file_that_it_comes_from(plugin: Path) -> None:
    assert "wide_and_narrow" in models.names()
    assert models.origin("wide_and_narrow") == str(plugin)


@pytest.mark.usefixtures("plugin")
def test_bad_arguments_of_a_plugin_model_are_reported_like_those_of_a_built_in() -> None:
    component = models.find("wide_and_narrow")
    assert component is not None
    with pytest.raises(ValidationError) as caught:
        component(width=0, widht=3)  # type: ignore[call-arg]
    assert [error["loc"] for error in caught.value.errors()] == [("width",), ("widht",)]


@pytest.mark.tensorflow
@pytest.mark.usefixtures("plugin")
def test_plugin_model_builds_with_the_shared_head() -> None:
    component = models.find("wide_and_narrow")
    assert component is not None
    model = component().build(Features("image", (4, 4, 1)), Target("classes", 3))
    assert model.count_params() == (16 * 32 + 32) + (32 * 4 + 4) + (4 * 3 + 3)
