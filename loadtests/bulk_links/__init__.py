"""How long it takes to import, change, export and delete many links, until the edge serves them."""
