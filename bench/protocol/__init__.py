"""How suites that rank choose rates: on a development draw, and fixed before a test row is scored."""
