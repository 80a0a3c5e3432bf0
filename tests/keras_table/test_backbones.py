import json

import pytest

from dlrun.keras_table.backbones import BACKBONES_PATH, backbone_names, find_backbone


def test_the_weights_of_a_mobilenet_depend_on_its_width_and_the_size_of_the_images() -> None:
    entry = find_backbone("mobilenet_v2")
    names = [
        file.name.removeprefix("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_")
        for file in (
            entry.imagenet_file({"alpha": 0.35}, height=96, width=96),
            entry.imagenet_file({"alpha": 0.35}, height=96, width=128),
            entry.imagenet_file({}, height=100, width=100),
        )
        if file is not None
    ]
    assert names == ["0.35_96_no_top.h5", "0.35_224_no_top.h5", "1.0_224_no_top.h5"]
    assert entry.imagenet_file({"alpha": 0.4}, height=96, width=96) is None


@pytest.mark.tensorflow
def test_the_table_has_every_network_of_keras_with_its_arguments_and_preprocessing() -> None:
    import inspect

    import keras

    from dlrun.keras_table.generate_backbones import backbone_name, plain_entry, preprocessing_of

    functions = [each.__name__ for each in vars(keras.applications).values() if inspect.isfunction(each)]
    assert backbone_names() == tuple(sorted(map(backbone_name, functions)))
    for function in functions:
        assert find_backbone(backbone_name(function)).preprocessing == preprocessing_of(function)
    # One that is built quickly stands for all; the next test builds them all.
    assert plain_entry("VGG16") == json.loads(BACKBONES_PATH.read_text())["backbones"]["vgg16"]


@pytest.mark.tensorflow
@pytest.mark.soak
def test_the_table_is_what_the_installed_keras_generates() -> None:
    from dlrun.keras_table.generate_backbones import table, text

    assert text(table()) == BACKBONES_PATH.read_text()
