"""What scripts/conformance does: others judge whether the server speaks RFC 6455 and RFC 7692 (docs/CONFORMANCE.md)."""
