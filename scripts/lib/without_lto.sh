#!/bin/sh
# A compiler for cargo's RUSTC_WORKSPACE_WRAPPER: without optimization between the units of a crate. As a setting of a profile it
# would have the dependencies built again.
exec "$@" -C lto=off
