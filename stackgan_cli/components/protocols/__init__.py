"""What a component must offer: the contract between this package and everybody's text encoders, networks and readers.

Nothing here is inherited from. A component is any object with these members; networks are ``torch.nn.Module`` objects
besides, so that their weights can be saved, moved and optimised. What a component may do besides is a small protocol of
its own, and whoever wants to know asks ``isinstance``. Importing this package imports no torch.
"""

from stackgan_cli.components.protocols.learning import CaptionedData, Fits, FittingData, HasWeights, LearnsOptions
from stackgan_cli.components.protocols.measuring import (
    CAPTION_NEEDS,
    METRIC_NEEDS,
    Classifies,
    FeatureExtractor,
    HasFeatureMaps,
    Metric,
    Observation,
    Observes,
    ReadsAttributes,
    ReadsCaptions,
    Texts,
)
from stackgan_cli.components.protocols.networks import (
    Discriminator,
    DrawsCondition,
    Generated,
    HasCondition,
    Judgement,
    Stage1Generator,
    Stage2Generator,
    TakesPublished,
)
from stackgan_cli.components.protocols.objectives import (
    Augments,
    DiscriminatorTerms,
    GeneratorTerms,
    Objective,
    Pairs,
    Update,
    WantsInputGradients,
)
from stackgan_cli.components.protocols.readers import (
    DatasetReader,
    Example,
    HasCrop,
    HasEncoder,
    HasExtractor,
    HasPublishedData,
    HasReadyFeatures,
    HasRecipe,
    HasScheme,
    Skipped,
    SuitsSources,
)
from stackgan_cli.components.protocols.texts import CoversCaptions, StandsForFeatures, TextEncoder, TextFeatures

__all__ = [
    "CAPTION_NEEDS",
    "METRIC_NEEDS",
    "Augments",
    "CaptionedData",
    "Classifies",
    "CoversCaptions",
    "DatasetReader",
    "Discriminator",
    "DiscriminatorTerms",
    "DrawsCondition",
    "Example",
    "FeatureExtractor",
    "Fits",
    "FittingData",
    "Generated",
    "GeneratorTerms",
    "HasCondition",
    "HasCrop",
    "HasEncoder",
    "HasExtractor",
    "HasFeatureMaps",
    "HasPublishedData",
    "HasReadyFeatures",
    "HasRecipe",
    "HasScheme",
    "HasWeights",
    "Judgement",
    "LearnsOptions",
    "Metric",
    "Objective",
    "Observation",
    "Observes",
    "Pairs",
    "ReadsAttributes",
    "ReadsCaptions",
    "Skipped",
    "Stage1Generator",
    "Stage2Generator",
    "StandsForFeatures",
    "SuitsSources",
    "TakesPublished",
    "TextEncoder",
    "TextFeatures",
    "Texts",
    "Update",
    "WantsInputGradients",
]
