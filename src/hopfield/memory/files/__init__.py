"""Patterns and results in files of others: .npy, .safetensors, Parquet."""
