"""One log in a protocol, a folder each. They know events and no sockets: `viewing` is given one of them."""
