"""Facts about every backbone, without importing Keras; tests compare them with Keras."""

from typing import NamedTuple

Vector = tuple[float, float, float]  # red, green, blue

# Mean and standard deviation of ImageNet's pixels, in [0, 1].
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class BackboneSpec(NamedTuple):
    """A backbone without its top (classification layer)."""

    layers: int  # number of layers; Keras counts from 0
    parameters: int
    features: int  # output channels
    pretrained_size: int  # image size of its ImageNet weights, pixels per side
    auto_cache_at: int  # the layer that cache_at: auto selects at that size


BACKBONES = {
    "MobileNetV2": BackboneSpec(154, 2_257_984, 1280, 224, 125),
    # MobileNetV2-ALPHA: alpha scales the number of channels
    "MobileNetV2-0.35": BackboneSpec(154, 410_208, 1280, 224, 125),
    "MobileNetV2-0.5": BackboneSpec(154, 706_224, 1280, 224, 125),
    "MobileNetV2-0.75": BackboneSpec(154, 1_382_064, 1280, 224, 125),
    "MobileNetV2-1.3": BackboneSpec(154, 3_766_048, 1664, 224, 125),
    "MobileNetV2-1.4": BackboneSpec(154, 4_363_712, 1792, 224, 125),
    "MobileNetV3Small": BackboneSpec(156, 939_120, 576, 224, 123),
    "MobileNetV3Large": BackboneSpec(186, 2_996_352, 960, 224, 153),
    "EfficientNetV2B0": BackboneSpec(268, 5_919_312, 1280, 224, 160),
    "EfficientNetV2B1": BackboneSpec(332, 6_931_124, 1280, 240, 209),
    "EfficientNetV2B2": BackboneSpec(347, 8_769_374, 1408, 260, 209),
    "EfficientNetV2B3": BackboneSpec(407, 12_930_622, 1536, 300, 239),
    "EfficientNetV2S": BackboneSpec(512, 20_331_360, 1280, 384, 299),
    "EfficientNetV2M": BackboneSpec(739, 53_150_388, 1280, 480, 408),
    "EfficientNetV2L": BackboneSpec(1027, 117_746_848, 1280, 480, 561),
    "ResNet50V2": BackboneSpec(190, 23_564_800, 2048, 224, 154),
    "ResNet101V2": BackboneSpec(377, 42_626_560, 2048, 224, 341),
    "ResNet152V2": BackboneSpec(564, 58_331_648, 2048, 224, 528),
    "ConvNeXtTiny": BackboneSpec(132, 27_820_128, 768, 224, 110),
    "ConvNeXtSmall": BackboneSpec(258, 49_454_688, 768, 224, 236),
    "ConvNeXtBase": BackboneSpec(258, 87_566_464, 1024, 224, 236),
    "ConvNeXtLarge": BackboneSpec(258, 196_230_336, 1536, 224, 236),
    "ConvNeXtXLarge": BackboneSpec(258, 348_147_968, 2048, 224, 236),
    "DenseNet121": BackboneSpec(427, 7_037_504, 1024, 224, 313),
    "DenseNet169": BackboneSpec(595, 12_642_880, 1664, 224, 369),
    "DenseNet201": BackboneSpec(707, 18_321_984, 1920, 224, 481),
}


def input_scale_and_offset(name: str) -> tuple[Vector, Vector] | tuple[float, float]:
    """Scale and offset of a backbone's preprocessing: x * scale + offset, x in [0, 255].

    The result is in [-1, 1], or standardized by ImageNet's mean and standard deviation,
    depending on how the backbone's weights were trained.
    """
    if name.startswith(("ConvNeXt", "DenseNet", "EfficientNetV2B")):
        red, green, blue = (1 / (255 * std) for std in IMAGENET_STD)
        pairs = zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)
        offsets = [-mean / std for mean, std in pairs]
        return (red, green, blue), (offsets[0], offsets[1], offsets[2])
    return (1 / 128 if name.startswith("EfficientNetV2") else 1 / 127.5), -1.0
