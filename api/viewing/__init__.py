"""One log to many sockets. It knows ASGI, and no HTTP server."""
