"""Redis as we use it. Only here are internals of redis-py used."""
