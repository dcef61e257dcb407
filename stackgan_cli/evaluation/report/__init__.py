"""The report of an evaluation: the paper's figures, drawn from the same captions and seeds, on one page."""
