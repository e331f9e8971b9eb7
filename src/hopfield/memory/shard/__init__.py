"""A memory that is spread over processes."""

from hopfield.memory.shard.shard import ShardedMemory

__all__ = ["ShardedMemory"]
