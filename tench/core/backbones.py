"""The backbones there are: facts of each that cost no import of Keras (tests hold them true)."""

from typing import NamedTuple

Vector = tuple[float, float, float]  # red, green, blue

# Mean and deviation of ImageNet's pictures, of values from 0 to 1.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Known(NamedTuple):
    """A backbone without its top."""

    layers: int  # Keras numbers them from 0
    parameters: int
    features: int  # channels it puts out
    size: int  # pixels a side that its weights were trained at
    tap: int  # the cut that tap_at: auto finds at that size


BACKBONES = {
    "MobileNetV2": Known(154, 2_257_984, 1280, 224, 125),
    "MobileNetV2-0.35": Known(154, 410_208, 1280, 224, 125),  # alpha, a share of the channels
    "MobileNetV2-0.5": Known(154, 706_224, 1280, 224, 125),
    "MobileNetV2-0.75": Known(154, 1_382_064, 1280, 224, 125),
    "MobileNetV2-1.3": Known(154, 3_766_048, 1664, 224, 125),
    "MobileNetV2-1.4": Known(154, 4_363_712, 1792, 224, 125),
    "MobileNetV3Small": Known(156, 939_120, 576, 224, 123),
    "MobileNetV3Large": Known(186, 2_996_352, 960, 224, 153),
    "EfficientNetV2B0": Known(268, 5_919_312, 1280, 224, 160),
    "EfficientNetV2B1": Known(332, 6_931_124, 1280, 240, 209),
    "EfficientNetV2B2": Known(347, 8_769_374, 1408, 260, 209),
    "EfficientNetV2B3": Known(407, 12_930_622, 1536, 300, 239),
    "EfficientNetV2S": Known(512, 20_331_360, 1280, 384, 299),
    "EfficientNetV2M": Known(739, 53_150_388, 1280, 480, 408),
    "EfficientNetV2L": Known(1027, 117_746_848, 1280, 480, 561),
    "ResNet50V2": Known(190, 23_564_800, 2048, 224, 154),
    "ResNet101V2": Known(377, 42_626_560, 2048, 224, 341),
    "ResNet152V2": Known(564, 58_331_648, 2048, 224, 528),
    "ConvNeXtTiny": Known(132, 27_820_128, 768, 224, 110),
    "ConvNeXtSmall": Known(258, 49_454_688, 768, 224, 236),
    "ConvNeXtBase": Known(258, 87_566_464, 1024, 224, 236),
    "ConvNeXtLarge": Known(258, 196_230_336, 1536, 224, 236),
    "ConvNeXtXLarge": Known(258, 348_147_968, 2048, 224, 236),
    "DenseNet121": Known(427, 7_037_504, 1024, 224, 313),
    "DenseNet169": Known(595, 12_642_880, 1664, 224, 369),
    "DenseNet201": Known(707, 18_321_984, 1920, 224, 481),
}


def scale_and_offset(name: str) -> tuple[Vector, Vector] | tuple[float, float]:
    """By which a backbone's pictures, 0 ... 255, are multiplied and what is then added, as its
    weights were trained: to [-1, 1], or by the mean and deviation of ImageNet's pictures."""
    if name.startswith(("ConvNeXt", "DenseNet", "EfficientNetV2B")):
        red, green, blue = (1 / (255 * deviation) for deviation in DEVIATION)
        pairs = zip(MEAN, DEVIATION, strict=True)
        shifts = [-mean / deviation for mean, deviation in pairs]
        return (red, green, blue), (shifts[0], shifts[1], shifts[2])
    return (1 / 128 if name.startswith("EfficientNetV2") else 1 / 127.5), -1.0
