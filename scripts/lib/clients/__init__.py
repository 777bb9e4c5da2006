"""What scripts/clients does: tests the clients for throng's hub, also against a server that is killed under them."""
