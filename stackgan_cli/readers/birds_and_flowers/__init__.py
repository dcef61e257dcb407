"""CUB-200-2011 and Oxford-102, with the captions of Reed et al. (2016)."""
