"""A log in the form of a protocol, one folder each. Dialects know events and no sockets; `viewing` gets one of them."""
