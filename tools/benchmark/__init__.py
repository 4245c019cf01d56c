"""The benchmark suite: `make bench`. What a step costs beside other ways to do the same, in one run on one machine."""
