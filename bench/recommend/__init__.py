"""Which strategy should I use on my data? A small fair grid under a budget, and an answer in words."""

from bench import make_callable

make_callable(__name__)
