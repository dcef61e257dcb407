"""Where the published data sets lie, how large their files are, and what has to be fetched by hand.

Sizes and SHA-256 sums are those of the checksum lists of TensorFlow Datasets, each found in at least one other
independent project besides. Nothing here is fetched unless a person asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file with a public address; its name on this machine is the end of the address."""

    address: str
    """http or https."""
    size: int
    """Bytes."""
    checksum: str
    """``sha256:`` or ``md5:`` and the digest in hexadecimal."""
    inside: str | None = None
    """For an archive: its top folder, which is unpacked under this very name; None for a file that is used as it is."""

    @property
    def name(self) -> str:
        """What it is called on this machine; never what a server calls it."""
        return self.address.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class ByHand:
    """Something that has no public address of its own and is fetched with a browser."""

    what: str
    """A few words for it, such as ``the captions``."""
    place: str
    """Folder it belongs in, relative to the folder of the data set."""
    steps: str
    """Which page to visit, what to take from it, and what to put where; whole sentences."""


@dataclass(frozen=True, slots=True)
class PublishedData:
    """A data set as it is published: files that can be downloaded, and the rest."""

    title: str
    terms: str
    """What its publishers say about its use, in one sentence."""
    page: str
    """Where a person finds the files with a browser."""
    files: tuple[RemoteFile, ...]
    by_hand: tuple[ByHand, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to download in all."""
        return sum(file.size for file in self.files)


_CAPTIONS_PAGE = "https://github.com/reedscot/cvpr2016"
_CUB_PAGE = "https://data.caltech.edu/records/65de6-vp158"
_FLOWERS_PAGE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
_COCO_PAGE = "https://cocodataset.org/#download"
_COCO_FILES = "http://images.cocodataset.org"


def _captions(link: str, archive: str, pictures: str) -> ByHand:
    return ByHand(
        what="the captions of Reed et al. (2016)",
        place="text_c10",
        steps=(
            f"They are published on Google Drive alone, which serves them to browsers only: open {_CAPTIONS_PAGE}, "
            f"follow {link} in its instructions, unpack {archive}, and move its folder text_c10 beside "
            f"{pictures}."
        ),
    )


CUB = PublishedData(
    title="CUB-200-2011",
    terms="No licence comes with it; the photos are from Flickr and belong to their photographers: research use.",
    page=_CUB_PAGE,
    files=(
        RemoteFile(
            f"{_CUB_PAGE}/files/CUB_200_2011.tgz",
            1_150_585_339,
            "sha256:0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
            "CUB_200_2011",
        ),
    ),
    by_hand=(_captions("the link 'birds'", "cvpr2016_cub.tar.gz", "CUB_200_2011"),),
)

FLOWERS = PublishedData(
    title="Oxford 102 Flowers",
    terms="No licence comes with it; the photos belong to their photographers: research use.",
    page=_FLOWERS_PAGE,
    files=(
        RemoteFile(
            f"{_FLOWERS_PAGE}102flowers.tgz",
            344_862_509,
            "sha256:2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246",
            "jpg",
        ),
        RemoteFile(
            f"{_FLOWERS_PAGE}imagelabels.mat",
            502,
            "sha256:4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d",
        ),
        RemoteFile(
            f"{_FLOWERS_PAGE}setid.mat",
            14_989,
            "sha256:46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd",
        ),
    ),
    by_hand=(_captions("the link 'flowers'", "cvpr2016_flowers.tar.gz", "jpg"),),
)

COCO = PublishedData(
    title="COCO 2014",
    terms="Captions: CC BY 4.0. The photos belong to their photographers and are under the Flickr terms of use.",
    page=_COCO_PAGE,
    files=(
        # The certificate of this host names another one, so there is no https; the checksums guard what arrives.
        RemoteFile(
            f"{_COCO_FILES}/annotations/annotations_trainval2014.zip",
            252_872_794,
            "sha256:031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
            "annotations",
        ),
        RemoteFile(
            f"{_COCO_FILES}/zips/train2014.zip",
            13_510_573_713,
            "sha256:ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
            "train2014",
        ),
        RemoteFile(
            f"{_COCO_FILES}/zips/val2014.zip",
            6_645_013_297,
            "sha256:fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
            "val2014",
        ),
    ),
)
