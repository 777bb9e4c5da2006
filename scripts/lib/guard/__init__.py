"""What scripts/guard does: holds what a worker costs, in figures that no clock is in, against budgets (docs/TESTING.md)."""
