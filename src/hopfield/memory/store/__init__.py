"""The folder of a memory: files that outlast kills, power cuts and other processes."""
