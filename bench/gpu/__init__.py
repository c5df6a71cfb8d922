"""What `bench/gpu_check.py` runs on a machine with CUDA. Needs torch, transformers, numpy, scikit-learn and pandas,
and nothing else: no data, no weights, no network."""
