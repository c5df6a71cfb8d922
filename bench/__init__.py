"""transferbench: which transfer strategy should I use for this task, on this encoder, with this budget?"""

__version__ = "0.1.0"
