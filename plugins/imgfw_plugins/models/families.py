"""torchvision's classification models as a table: families, their members, and what their constructors take.

`min_size` is the smallest side of a square image with which a training step on a batch of two works, found by
trying. It is the limit of what runs, not of what makes sense: a ResNet shrinks its input 32 times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

V1 = ("IMAGENET1K_V1",)
V1_V2 = ("IMAGENET1K_V1", "IMAGENET1K_V2")
SWAG = ("IMAGENET1K_SWAG_E2E_V1", "IMAGENET1K_SWAG_LINEAR_V1")


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that share a constructor.

    Attributes:
        title: what it is, as a noun phrase.
        paper: where it was published.
        members: the names of its models, and for each the names of the weights that torchvision publishes.
        head: prefixes of the parameters whose size depends on the number of classes.
        min_size: see the module.
        small_input: modules that `small_input` keeps from halving the image; empty: no such setting.
        settings: settings handed to the constructor, with their defaults.
        own_settings: defaults of single members that differ from the family's.
        constructor: fixed arguments of the constructor.
        auxiliary: weight in the loss of each auxiliary output.
        image_size: what sizes it takes: `patch` (squares of whole patches), `window` (squares of whole
            windows), or any.
        old_names: patterns of names in torchvision's older files, and what they became.
        folds_input: the unit (convolution and norm) into which the input scaling of the published weights,
            which were trained on -1..1, is folded.
    """

    title: str
    paper: str
    members: Mapping[str, tuple[str, ...]]
    head: tuple[str, ...]
    min_size: int
    small_input: tuple[str, ...] = ()
    settings: Mapping[str, float | bool] = field(default_factory=dict)
    own_settings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    constructor: Mapping[str, bool] = field(default_factory=dict)
    auxiliary: Mapping[str, float] = field(default_factory=dict)
    image_size: str = ""
    old_names: tuple[tuple[str, str], ...] = ()
    folds_input: str = ""


FAMILIES = (
    Family(
        title="AlexNet",
        paper="Krizhevsky 2014, arXiv:1404.5997",
        members={"alexnet": V1},
        head=("classifier.6.",),
        min_size=63,
        settings={"dropout": 0.5},
    ),
    Family(
        title="ConvNeXt",
        paper="Liu et al. 2022, arXiv:2201.03545",
        members={"convnext_tiny": V1, "convnext_small": V1, "convnext_base": V1, "convnext_large": V1},
        head=("classifier.2.",),
        min_size=32,
        settings={"stochastic_depth_prob": 0.1},
        own_settings={
            "convnext_small": {"stochastic_depth_prob": 0.4},
            "convnext_base": {"stochastic_depth_prob": 0.5},
            "convnext_large": {"stochastic_depth_prob": 0.5},
        },
    ),
    Family(
        title="DenseNet",
        paper="Huang et al. 2016, arXiv:1608.06993",
        members={"densenet121": V1, "densenet161": V1, "densenet169": V1, "densenet201": V1},
        head=("classifier.",),
        min_size=29,
        small_input=("features.conv0", "features.pool0"),
        settings={"drop_rate": 0.0},
        old_names=((r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2"),),
    ),
    Family(
        title="EfficientNet",
        paper="Tan and Le 2019, arXiv:1905.11946",
        members={
            "efficientnet_b0": V1,
            "efficientnet_b1": V1_V2,
            "efficientnet_b2": V1,
            "efficientnet_b3": V1,
            "efficientnet_b4": V1,
            "efficientnet_b5": V1,
            "efficientnet_b6": V1,
            "efficientnet_b7": V1,
        },
        head=("classifier.1.",),
        min_size=1,
        small_input=("features.0", "features.2"),
        settings={"dropout": 0.2, "stochastic_depth_prob": 0.2},
        own_settings={
            "efficientnet_b2": {"dropout": 0.3},
            "efficientnet_b3": {"dropout": 0.3},
            "efficientnet_b4": {"dropout": 0.4},
            "efficientnet_b5": {"dropout": 0.4},
            "efficientnet_b6": {"dropout": 0.5},
            "efficientnet_b7": {"dropout": 0.5},
        },
    ),
    Family(
        title="EfficientNetV2",
        paper="Tan and Le 2021, arXiv:2104.00298",
        members={"efficientnet_v2_s": V1, "efficientnet_v2_m": V1, "efficientnet_v2_l": V1},
        head=("classifier.1.",),
        min_size=1,
        small_input=("features.0", "features.2"),
        settings={"dropout": 0.2, "stochastic_depth_prob": 0.2},
        own_settings={"efficientnet_v2_m": {"dropout": 0.3}, "efficientnet_v2_l": {"dropout": 0.4}},
    ),
    Family(
        title="GoogLeNet (Inception v1)",
        paper="Szegedy et al. 2014, arXiv:1409.4842",
        members={"googlenet": V1},
        head=("fc.", "aux1.fc2.", "aux2.fc2."),
        min_size=15,
        small_input=("conv1", "maxpool1"),
        settings={"dropout": 0.2, "dropout_aux": 0.7},
        constructor={"aux_logits": True, "init_weights": True},
        auxiliary={"aux_logits1": 0.3, "aux_logits2": 0.3},
        folds_input="conv1",
    ),
    Family(
        title="Inception v3",
        paper="Szegedy et al. 2015, arXiv:1512.00567",
        members={"inception_v3": V1},
        head=("fc.", "AuxLogits.fc."),
        min_size=299,
        settings={"dropout": 0.5},
        constructor={"aux_logits": True, "init_weights": True},
        auxiliary={"aux_logits": 0.4},
        folds_input="Conv2d_1a_3x3",
    ),
    Family(
        title="MaxViT",
        paper="Tu et al. 2022, arXiv:2204.01697",
        members={"maxvit_t": V1},
        head=("classifier.5.",),
        min_size=224,
        settings={"mlp_dropout": 0.0, "attention_dropout": 0.0},
        image_size="window",
    ),
    Family(
        title="MNASNet",
        paper="Tan et al. 2018, arXiv:1807.11626",
        members={"mnasnet0_5": V1, "mnasnet0_75": V1, "mnasnet1_0": V1, "mnasnet1_3": V1},
        head=("classifier.1.",),
        min_size=1,
        small_input=("layers.0", "layers.8"),
        settings={"dropout": 0.2},
    ),
    Family(
        title="MobileNetV2",
        paper="Sandler et al. 2018, arXiv:1801.04381",
        members={"mobilenet_v2": V1_V2},
        head=("classifier.1.",),
        min_size=1,
        small_input=("features.0", "features.2"),
        settings={"dropout": 0.2},
    ),
    Family(
        title="MobileNetV3 (large)",
        paper="Howard et al. 2019, arXiv:1905.02244",
        members={"mobilenet_v3_large": V1_V2},
        head=("classifier.3.",),
        min_size=1,
        small_input=("features.0", "features.2"),
        settings={"dropout": 0.2},
    ),
    Family(
        title="MobileNetV3 (small)",
        paper="Howard et al. 2019, arXiv:1905.02244",
        members={"mobilenet_v3_small": V1},
        head=("classifier.3.",),
        min_size=1,
        small_input=("features.0", "features.1"),
        settings={"dropout": 0.2},
    ),
    Family(
        title="RegNetX",
        paper="Radosavovic et al. 2020, arXiv:2003.13678",
        members={
            "regnet_x_400mf": V1_V2,
            "regnet_x_800mf": V1_V2,
            "regnet_x_1_6gf": V1_V2,
            "regnet_x_3_2gf": V1_V2,
            "regnet_x_8gf": V1_V2,
            "regnet_x_16gf": V1_V2,
            "regnet_x_32gf": V1_V2,
        },
        head=("fc.",),
        min_size=1,
        small_input=("stem", "trunk_output.block1"),
    ),
    Family(
        title="RegNetY",
        paper="Radosavovic et al. 2020, arXiv:2003.13678",
        members={
            "regnet_y_400mf": V1_V2,
            "regnet_y_800mf": V1_V2,
            "regnet_y_1_6gf": V1_V2,
            "regnet_y_3_2gf": V1_V2,
            "regnet_y_8gf": V1_V2,
            "regnet_y_16gf": V1_V2 + SWAG,
            "regnet_y_32gf": V1_V2 + SWAG,
            "regnet_y_128gf": SWAG,
        },
        head=("fc.",),
        min_size=1,
        small_input=("stem", "trunk_output.block1"),
    ),
    Family(
        title="ResNet",
        paper="He et al. 2015, arXiv:1512.03385",
        members={
            "resnet18": V1,
            "resnet34": V1,
            "resnet50": V1_V2,
            "resnet101": V1_V2,
            "resnet152": V1_V2,
        },
        head=("fc.",),
        min_size=1,
        small_input=("conv1", "maxpool"),
        settings={"zero_init_residual": False},
    ),
    Family(
        title="ResNeXt",
        paper="Xie et al. 2016, arXiv:1611.05431",
        members={"resnext50_32x4d": V1_V2, "resnext101_32x8d": V1_V2, "resnext101_64x4d": V1},
        head=("fc.",),
        min_size=1,
        small_input=("conv1", "maxpool"),
        settings={"zero_init_residual": False},
    ),
    Family(
        title="Wide ResNet",
        paper="Zagoruyko and Komodakis 2016, arXiv:1605.07146",
        members={"wide_resnet50_2": V1_V2, "wide_resnet101_2": V1_V2},
        head=("fc.",),
        min_size=1,
        small_input=("conv1", "maxpool"),
        settings={"zero_init_residual": False},
    ),
    Family(
        title="ShuffleNetV2",
        paper="Ma et al. 2018, arXiv:1807.11164",
        members={
            "shufflenet_v2_x0_5": V1,
            "shufflenet_v2_x1_0": V1,
            "shufflenet_v2_x1_5": V1,
            "shufflenet_v2_x2_0": V1,
        },
        head=("fc.",),
        min_size=1,
        small_input=("conv1", "maxpool"),
    ),
    Family(
        title="SqueezeNet",
        paper="Iandola et al. 2016, arXiv:1602.07360",
        members={"squeezenet1_0": V1, "squeezenet1_1": V1},
        head=("classifier.1.",),
        min_size=21,
        settings={"dropout": 0.5},
    ),
    Family(
        title="Swin Transformer",
        paper="Liu et al. 2021, arXiv:2103.14030",
        members={"swin_t": V1, "swin_s": V1, "swin_b": V1},
        head=("head.",),
        min_size=4,
        settings={"dropout": 0.0, "attention_dropout": 0.0},
    ),
    Family(
        title="Swin Transformer V2",
        paper="Liu et al. 2021, arXiv:2111.09883",
        members={"swin_v2_t": V1, "swin_v2_s": V1, "swin_v2_b": V1},
        head=("head.",),
        min_size=4,
        settings={"dropout": 0.0, "attention_dropout": 0.0},
    ),
    Family(
        title="VGG",
        paper="Simonyan and Zisserman 2014, arXiv:1409.1556",
        members={
            "vgg11": V1,
            "vgg11_bn": V1,
            "vgg13": V1,
            "vgg13_bn": V1,
            "vgg16": (*V1, "IMAGENET1K_FEATURES"),
            "vgg16_bn": V1,
            "vgg19": V1,
            "vgg19_bn": V1,
        },
        head=("classifier.6.",),
        min_size=32,
        settings={"dropout": 0.5},
    ),
    Family(
        title="Vision Transformer",
        paper="Dosovitskiy et al. 2020, arXiv:2010.11929",
        members={
            "vit_b_16": V1 + SWAG,
            "vit_b_32": V1,
            "vit_l_16": V1 + SWAG,
            "vit_l_32": V1,
            "vit_h_14": SWAG,
        },
        head=("heads.head.",),
        min_size=14,
        settings={"dropout": 0.0, "attention_dropout": 0.0},
        image_size="patch",
    ),
)
"""Every family of `torchvision.models`; a test compares it with what torchvision lists."""
